import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseQuery } from "../../src/traceql/parser.ts";
import { SegmentStore } from "../query/segment-store.ts";
import { batchOf } from "../support/batch-builder.ts";
import { attributeText, pointText, sortedLines, spansetText } from "./answer-text.ts";
import { engineSearch } from "./engine.ts";
import { engineMetrics, oracleMetrics } from "./metrics-case.ts";
import { type Grid, instantGrid, rangeGrid } from "./oracle/metrics.ts";
import { runStages } from "./oracle/pipeline.ts";
import { tracesOf } from "./oracle/trace.ts";
import { anyValue } from "./oracle/value.ts";
import { T0, WORKED } from "./worked-data.ts";

type Example = {
  readonly number: string;
  readonly kind: string;
  readonly query: string;
  readonly expected: readonly string[];
};

const EXAMPLES: readonly Example[] = readFileSync(
  new URL("../corpus/traceql/worked-examples.tsv", import.meta.url),
  "utf8",
)
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    const [number = "", kind = "", query = "", answer = ""] = line.split("\t");
    const expected = answer === "" ? [] : answer.split(" ; ");
    return { number, kind, query, expected: sortedLines(expected.map(evaluated)) };
  });

/** Fractions as their values. */
function evaluated(line: string): string {
  return line.replace(/(?<= )(\d+)\/(\d+)/g, (_, a, b) => pointText(Number(a) / Number(b)));
}

const RANGE = { start: T0, end: T0 + 120_000_000_000n, step: 60_000_000_000n };
const TRACES = tracesOf(Object.values(WORKED));
const NAMES = new Map(Object.entries(WORKED).map(([name, span]) => [span.spanId, name]));

function oracleAnswer({ kind, query }: Example): string[] {
  const parsed = parseQuery(query);
  if (kind === "search") {
    return TRACES.flatMap((trace) => runStages(parsed.stages, trace.spans)).map(
      ({ spans, attributes }) =>
        spansetText({
          spans: spans.map(({ spanId }) => NAMES.get(spanId)!),
          attributes: attributes.map(([name, value]) => attributeText(name, anyValue(value))),
        }),
    );
  }
  return oracleMetrics(TRACES, parsed, gridOf(kind));
}

function gridOf(kind: string): Grid {
  return kind === "range"
    ? rangeGrid(RANGE.start, RANGE.end, RANGE.step)
    : instantGrid(RANGE.start, RANGE.end);
}

function expectAnswer({ kind, expected }: Example, lines: readonly string[]): void {
  if (kind === "instant-some") {
    expect(lines).toEqual(expect.arrayContaining([...expected]));
  } else {
    expect(sortedLines(lines)).toEqual(expected);
  }
}

test("the description has 91 examples", () => {
  expect(EXAMPLES.map(({ number }) => Number(number))).toEqual(
    Array.from({ length: 91 }, (_, i) => i + 1),
  );
});

describe("the naive evaluator answers as the description says", () => {
  test.each(EXAMPLES)("$number: $query", (example) => {
    expectAnswer(example, oracleAnswer(example));
  });
});

describe.each([1, 2, 3])("the engine answers likewise over %i segments", (segmentCount) => {
  let store: SegmentStore;
  beforeAll(async () => {
    store = await SegmentStore.open();
    const spans = Object.values(WORKED);
    for (let s = 0; s < segmentCount; s++) {
      await store.addBatch(batchOf(spans.filter((_, i) => i % segmentCount === s)));
    }
  });
  afterAll(async () => {
    await store.close();
  });

  test.each(EXAMPLES)("$number: $query", async (example) => {
    expectAnswer(example, await engineAnswer(store, example));
  });
});

async function engineAnswer(store: SegmentStore, { kind, query }: Example): Promise<string[]> {
  if (kind !== "search") return await engineMetrics(store, query, gridOf(kind), kind !== "range");
  const found = await engineSearch(store, query, { limit: 20, spansPerSpanset: 0 });
  return found.flatMap(({ spansets }) =>
    spansets.map(({ spans, attributes }) =>
      spansetText({ spans: spans.map(({ spanId }) => NAMES.get(spanId)!), attributes }),
    ),
  );
}
