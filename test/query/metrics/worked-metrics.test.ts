import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { instantGrid, rangeGrid } from "../../../src/query/metrics/grid.ts";
import { pointText } from "../../differential/answer-text.ts";
import { T0, WORKED } from "../../differential/worked-data.ts";
import { batchOf } from "../../support/batch-builder.ts";
import { SegmentStore } from "../segment-store.ts";
import { linesOf, runMetrics } from "./run-metrics.ts";

const CORPUS = new URL("../../corpus/traceql/worked-examples.tsv", import.meta.url);
const RANGE = { startUnixNano: T0, endUnixNano: T0 + 120_000_000_000n };
const OFF = { nowMs: 0, endCutoffMs: 0, maxDurationMs: 0, maxIntervals: 0 };
const GRIDS = {
  range: rangeGrid({ ...RANGE, stepNanos: 60_000_000_000n }, OFF),
  instant: instantGrid(RANGE, OFF),
};

const EXAMPLES = readFileSync(CORPUS, "utf8")
  .split("\n")
  .filter((line) => /^\d+\t(?:range|instant)/.test(line))
  .map((line) => {
    const [number = "", kind = "", query = "", answer = ""] = line.split("\t");
    const expected = answer
      .split(" ; ")
      .map((each) =>
        each.replace(/(?<= )(\d+)\/(\d+)/g, (_, a, b) => pointText(Number(a) / Number(b))),
      );
    return { number, kind, query, expected: expected.sort() };
  });

test("there are seventeen examples of metrics", () => {
  expect(EXAMPLES).toHaveLength(17);
});

describe.each([1, 2, 3])("worked examples over %i segments", (segmentCount) => {
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

  test.each(EXAMPLES)("$number: $query", async ({ kind, query, expected }) => {
    const lines = linesOf(
      await runMetrics(store, query, kind === "range" ? GRIDS.range : GRIDS.instant),
    );
    if (kind === "instant-some") expect(lines).toEqual(expect.arrayContaining(expected));
    else expect(lines.sort()).toEqual(expected);
  });
});
