import { readFileSync } from "node:fs";
import { parseQuery } from "../../src/traceql/parser.ts";
import type { SegmentStore } from "../query/segment-store.ts";
import type { PlainSpan } from "../support/read-batch.ts";
import { attributeText, pointText, sortedLines, spansetText } from "./answer-text.ts";
import { engineSearch } from "./engine.ts";
import { engineMetrics, oracleMetrics } from "./metrics-case.ts";
import { type Grid, instantGrid, rangeGrid } from "./oracle/metrics.ts";
import { runStages } from "./oracle/pipeline.ts";
import { tracesOf } from "./oracle/trace.ts";
import { anyValue } from "./oracle/value.ts";
import { T0 } from "./worked-data.ts";

/** A query with its answer, a line for each spanset or series. */
export type Example = {
  readonly number: string;
  readonly kind: "search" | "range" | "instant" | "instant-some";
  readonly query: string;
  readonly expected: readonly string[];
};

/**
 * The examples of a file in test/corpus/traceql: number, tab, kind, tab, query, tab, answers between
 * semicolons. Of `instant-some` the series given are among the answer's.
 */
export function readExamples(file: string): Example[] {
  const url = new URL(`../corpus/traceql/${file}`, import.meta.url);
  return readFileSync(url, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [number = "", kind = "", query = "", answer = ""] = line.split("\t");
      const expected = answer === "" ? [] : answer.split(" ; ").map(evaluated);
      return { number, kind: kind as Example["kind"], query, expected: sortedLines(expected) };
    });
}

/** Fractions as their values. */
function evaluated(line: string): string {
  return line.replace(/(?<= )(\d+)\/(\d+)/g, (_, a, b) => pointText(Number(a) / Number(b)));
}

/** The part of `lines` that the example is about, sorted. */
export function shownOf({ kind, expected }: Example, lines: readonly string[]): string[] {
  return sortedLines(
    kind === "instant-some" ? lines.filter((line) => expected.includes(line)) : lines,
  );
}

/** Spans by the names that answers use. */
export type NamedSpans = Readonly<Record<string, PlainSpan>>;

export function oracleAnswer(spans: NamedSpans, { kind, query }: Example): string[] {
  const traces = tracesOf(Object.values(spans));
  const parsed = parseQuery(query);
  if (kind !== "search") return oracleMetrics(traces, parsed, gridOf(kind));
  const names = namesOf(spans);
  return traces
    .flatMap((trace) => runStages(parsed.stages, trace.spans))
    .map((spanset) =>
      spansetText({
        spans: spanset.spans.map((span) => names.get(spanKey(span.traceId, span))!),
        attributes: spanset.attributes.map(([name, value]) => attributeText(name, anyValue(value))),
      }),
    );
}

/** The answer of the engine over `store`, which holds the spans. */
export async function engineAnswer(
  store: SegmentStore,
  spans: NamedSpans,
  { kind, query }: Example,
): Promise<string[]> {
  if (kind !== "search") return await engineMetrics(store, query, gridOf(kind), kind !== "range");
  const names = namesOf(spans);
  const found = await engineSearch(store, query, { limit: 20, spansPerSpanset: 0 });
  return found.flatMap(({ traceId, spansets }) =>
    spansets.map((spanset) =>
      spansetText({
        spans: spanset.spans.map((span) => names.get(spanKey(traceId, span))!),
        attributes: spanset.attributes,
      }),
    ),
  );
}

/** All examples look at two minutes in steps of one (§8.5). */
function gridOf(kind: Example["kind"]): Grid {
  const end = T0 + 120_000_000_000n;
  return kind === "range" ? rangeGrid(T0, end, 60_000_000_000n) : instantGrid(T0, end);
}

function namesOf(spans: NamedSpans): Map<string, string> {
  return new Map(Object.entries(spans).map(([name, span]) => [spanKey(span.traceId, span), name]));
}

function spanKey(
  traceId: string,
  { spanId, startUnixNano }: Pick<PlainSpan, "spanId" | "startUnixNano">,
): string {
  return `${traceId} ${spanId} ${startUnixNano}`;
}
