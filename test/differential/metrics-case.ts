import { isDeepStrictEqual } from "node:util";
import { isPintailError } from "../../src/errors.ts";
import { compileMetrics } from "../../src/query/metrics/compile-metrics.ts";
import { queryInstant, queryRange } from "../../src/query/metrics/query-metrics.ts";
import type { Query } from "../../src/traceql/ast.ts";
import { parseQuery } from "../../src/traceql/parser.ts";
import type { SegmentStore } from "../query/segment-store.ts";
import { seriesText, sortedLines } from "./answer-text.ts";
import { MAX_QUERY_BYTES } from "./engine.ts";
import { isValid } from "./oracle/check.ts";
import { type Grid, metricsOracle } from "./oracle/metrics.ts";
import { queryText } from "./oracle/text.ts";
import type { OracleTrace } from "./oracle/trace.ts";
import { anyValue } from "./oracle/value.ts";
import type { Outcome } from "./outcome.ts";

/** The engine's series as lines, sorted. */
export async function engineMetrics(
  store: SegmentStore,
  query: string,
  grid: Grid,
  instant: boolean,
  maxTraceRows?: number,
): Promise<string[]> {
  const request = {
    tenants: ["single-tenant"],
    query: compileMetrics(query, { maxQueryBytes: MAX_QUERY_BYTES, instant }),
    grid: { startUnixNano: grid.startUnixNano, stepNanos: grid.stepNanos, count: grid.buckets },
    maxSeries: 0,
    maxTraceRows,
  };
  const engine = store.engine();
  const { series } = instant
    ? await queryInstant(engine, request)
    : await queryRange(engine, { ...request, exemplarLimit: 100 });
  return sortedLines(
    series.map(({ labels, values }) =>
      seriesText({
        labels,
        points: Array.from(values, (value) => (Number.isNaN(value) ? undefined : value)),
      }),
    ),
  );
}

/** The naive evaluator's series as lines, sorted. */
export function oracleMetrics(traces: readonly OracleTrace[], query: Query, grid: Grid): string[] {
  return sortedLines(
    metricsOracle(traces, query, grid).map(({ labels, points }) =>
      seriesText({
        labels: labels.map(([key, value]) => ({ key, value: anyValue(value) })),
        points,
      }),
    ),
  );
}

export type MetricsWindow = {
  readonly grid: Grid;
  readonly instant: boolean;
  /** As `RangeRequest` has it. */
  readonly maxTraceRows?: number | undefined;
};

/** One query through the engine and the oracle. */
export async function runMetrics(
  store: SegmentStore,
  traces: readonly OracleTrace[],
  query: Query,
  { grid, instant, maxTraceRows }: MetricsWindow,
): Promise<Outcome> {
  const text = queryText(query);
  const parsed = parseQuery(text);
  const valid = isValid(parsed);
  const expected: unknown = valid ? oracleMetrics(traces, parsed, grid) : "refused as invalid";
  let actual: unknown;
  try {
    actual = await engineMetrics(store, text, grid, instant, maxTraceRows);
  } catch (error) {
    if (!valid && isPintailError(error, "invalid")) return { type: "refused" };
    actual = String(error);
  }
  if (sameSeries(actual, expected))
    return { type: "same", found: Array.isArray(expected) ? expected.length : 0 };
  const ranked = parsed.second.some(({ type }) => type !== "metrics-filter");
  if (ranked && Array.isArray(actual) && Array.isArray(expected) && sameValues(actual, expected)) {
    return { type: "same", found: Array.isArray(expected) ? expected.length : 0 };
  }
  return { type: "different", ...onlyInOne(expected, actual) };
}

/**
 * Whether each bucket holds the same numbers, whatever the series: which of several equal ones
 * topk and bottomk keep is defined for labels of text alone, and tested with these.
 */
function sameValues(actual: readonly string[], expected: readonly string[]): boolean {
  const perBucket = (lines: readonly string[]): string[][] => {
    const points = lines.map((line) => line.slice(line.lastIndexOf(": ") + 2).split(" "));
    return (points[0] ?? []).map((_, b) =>
      points
        .map((ofSeries) => ofSeries[b]!)
        .filter((point) => point !== "-")
        .sort(),
    );
  };
  return isDeepStrictEqual(perBucket(actual), perBucket(expected));
}

function onlyInOne(expected: unknown, actual: unknown): { expected: unknown; actual: unknown } {
  if (!Array.isArray(expected) || !Array.isArray(actual)) return { expected, actual };
  return {
    expected: expected.filter((line) => !actual.includes(line)),
    actual: actual.filter((line) => !expected.includes(line)),
  };
}

/** The order of additions may tell in the last digits, and so in how the number before is rounded. */
const TOLERANCE = 1e-7;

function sameSeries(actual: unknown, expected: unknown): boolean {
  if (isDeepStrictEqual(actual, expected)) return true;
  if (!Array.isArray(actual) || !Array.isArray(expected)) return false;
  return actual.length === expected.length && actual.every((line, i) => near(line, expected[i]));
}

function near(a: string, b: string): boolean {
  const [labels, points] = partsOf(a);
  const [otherLabels, otherPoints] = partsOf(b);
  if (labels !== otherLabels || points.length !== otherPoints.length) return false;
  return points.every((text, i) => {
    if (text === otherPoints[i]) return true;
    const [x, y] = [Number(text), Number(otherPoints[i])];
    return Math.abs(x - y) <= TOLERANCE * Math.max(Math.abs(x), Math.abs(y));
  });
}

/** Labels may hold anything, points neither colons nor quotes. */
function partsOf(line: string): [labels: string, points: string[]] {
  const at = line.lastIndexOf(": ");
  return [line.slice(0, at), line.slice(at + 2).split(" ")];
}
