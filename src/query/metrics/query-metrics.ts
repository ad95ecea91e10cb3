import type { Hint } from "../../traceql/ast.ts";
import type { QueryEngine } from "../query-context.ts";
import type { QueryRecorder } from "../query-recorder.ts";
import { PointBudget } from "./collect-series.ts";
import { evaluateCompare } from "./compare/evaluate-compare.ts";
import type { CompiledExpr, CompiledMetrics } from "./compile-metrics.ts";
import { evaluateSeries } from "./evaluate-series.ts";
import type { Evaluation, OnStep } from "./evaluation.ts";
import type { FinishedSeries } from "./finish-series.ts";
import { type MetricsGrid, timestampsOf } from "./grid.ts";
import { compareLabels, stringLabel } from "./label-value.ts";
import { combine, type MathValue } from "./metrics-math.ts";
import type { MetricsResult, MetricsSeries, MetricsStats, OnPartial } from "./metrics-result.ts";
import { MetricsProgress } from "./progress.ts";
import { applySecondStages, type ForEach, hasPoint, type WorkingSeries } from "./second-stages.ts";

export type RangeRequest = {
  readonly tenants: readonly string[];
  readonly query: CompiledMetrics;
  readonly grid: MetricsGrid;
  /** At most so many in the whole answer; 0 = none. */
  readonly exemplarLimit: number;
  /** 0 = no limit but the server's own. */
  readonly maxSeries: number;
  /** Rows of whole traces that one statement reads, about; undefined = the usual number. */
  readonly maxTraceRows?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onPartial?: OnPartial | undefined;
  readonly recorder?: QueryRecorder | undefined;
};
/** The database holds these at once, 200 to 300 bytes each, and joins fewer in less time. */
const MAX_TRACE_ROWS = 1_000_000;

export type InstantRequest = Omit<RangeRequest, "exemplarLimit">;

/**
 * The samples of a metrics query. Throws `invalid` for queries that would give more points than can
 * be held, and what `QueryEngine.run` throws.
 */
export async function queryRange(
  engine: QueryEngine,
  request: RangeRequest,
): Promise<MetricsResult> {
  return await queryMetrics(engine, request, false);
}

/** As `queryRange`, over a grid of one bucket and without exemplars. */
export async function queryInstant(
  engine: QueryEngine,
  request: InstantRequest,
): Promise<MetricsResult> {
  return await queryMetrics(engine, { ...request, exemplarLimit: 0 }, true);
}

async function queryMetrics(
  engine: QueryEngine,
  request: RangeRequest,
  instant: boolean,
): Promise<MetricsResult> {
  const { tenants, signal, recorder, query, grid, maxSeries } = request;
  const timeoutMs = engine.context.settings.searchTimeoutMs;
  // Outlives an attempt: a second one must not tell a bucket again.
  const told = { from: grid.count };
  return await engine.run({ tenants, signal, timeoutMs, recorder }, async (run) => {
    const progress = new MetricsProgress();
    const forEach: ForEach = (items, visit) => run.forEach(items, visit);
    const budget = new PointBudget();
    const { onPartial, exemplarLimit } = request;
    const answer = async (finished: FinishedSeries, from: number, to: number) => {
      const series = await applySecondStages(finished.series, query.second, forEach);
      const buckets = { from, to, grid };
      return resultOf({ ...finished, series }, buckets, maxSeries, progress.stats());
    };
    const onStep: OnStep | undefined =
      onPartial &&
      (async (finish, firstFinal) => {
        const from = instant ? 0 : Math.min(firstFinal, told.from);
        const to = instant ? grid.count : told.from;
        if (finish === undefined || from >= to || query.expr.type !== "query") {
          await onPartial(emptyResult(progress.stats()));
          return;
        }
        const finished = await withStages(await finish(), query.expr, forEach);
        const partial = await answer(finished, from, to);
        told.from = instant ? told.from : from;
        await onPartial(partial);
      });
    const { maxTraceRows = MAX_TRACE_ROWS } = request;
    const parts = { run, tenants, grid, exemplarLimit, progress, budget, onStep };
    const evaluation = { ...parts, maxTraceRows };
    const finished = await evaluate(query.expr, evaluation, forEach);
    return await answer(finished, 0, grid.count);
  });
}

async function evaluate(
  expr: CompiledExpr,
  evaluation: Evaluation,
  forEach: ForEach,
): Promise<FinishedSeries> {
  let truncated = false;
  const evaluateNode = async (node: CompiledExpr): Promise<MathValue> => {
    switch (node.type) {
      case "number":
        return node.value;
      case "operation": {
        const left = await evaluateNode(node.left);
        const right = await evaluateNode(node.right);
        return await combine(node.op, left, right, forEach);
      }
      case "query": {
        const { pipeline, stage } = node.query;
        const finished =
          stage.type === "compare"
            ? await evaluateCompare(pipeline, stage, evaluation)
            : await evaluateSeries(pipeline, stage, evaluation);
        truncated ||= finished.truncated;
        return (await withStages(finished, node, forEach)).series;
      }
      default:
        return node satisfies never;
    }
  };
  const value = await evaluateNode(expr);
  if (typeof value === "number") throw new Error("an expression without a query");
  return { series: value, truncated };
}

async function withStages(
  finished: FinishedSeries,
  { query }: CompiledExpr & { type: "query" },
  forEach: ForEach,
): Promise<FinishedSeries> {
  return { ...finished, series: await applySecondStages(finished.series, query.second, forEach) };
}

/** Series of one answer, whatever was asked for: each is an object with labels and numbers. */
const MAX_SERIES = 20_000;

function resultOf(
  { series, truncated }: FinishedSeries,
  { from, to, grid }: { from: number; to: number; grid: MetricsGrid },
  maxSeries: number,
  stats: MetricsStats,
): MetricsResult {
  const limit = maxSeries > 0 ? Math.min(maxSeries, MAX_SERIES) : MAX_SERIES;
  const shown = series
    .map((each) => windowOf(each, from, to))
    .filter(({ values }) => hasPoint(values))
    .sort((a, b) => compareLabels(a.labels, b.labels));
  const isPartial = truncated || shown.length > limit;
  const kept = shown.slice(0, limit);
  return {
    timestampsMs: timestampsOf(grid).slice(from, to),
    series: kept,
    stats,
    partialMessage: isPartial ? partialMessage(truncated ? kept.length : limit) : undefined,
  };
}

function partialMessage(limit: number): string {
  return `Response exceeds maximum series limit of ${limit}, a partial response is returned. Warning: the accuracy of each individual value is not guaranteed.`;
}

const MS_NANOS = 1_000_000n;

function windowOf(
  { labels, values, exemplars }: WorkingSeries,
  from: number,
  to: number,
): MetricsSeries {
  const shown = exemplars.flatMap(({ bucket, value, traceId, startUnixNano, labels: own }) => {
    const point = values[bucket]!;
    if (bucket < from || bucket >= to || Number.isNaN(point)) return [];
    const id = stringLabel("trace:id", traceId.replace(/^0+(?=.)/, ""));
    return [
      {
        labels: [id, ...own],
        value: value ?? point,
        timestampMs: Number(startUnixNano / MS_NANOS),
      },
    ];
  });
  shown.sort((a, b) => a.timestampMs - b.timestampMs);
  return { labels, values: values.subarray(from, to), exemplars: shown };
}

function emptyResult(stats: MetricsStats): MetricsResult {
  return { timestampsMs: [], series: [], stats, partialMessage: undefined };
}

/**
 * How many exemplars a query wants: a hint, else what the request asks for, else the setting, which
 * none exceeds. 0 in the request asks for the default.
 */
export function exemplarLimit(hints: readonly Hint[], requested: number, max: number): number {
  const hint = hints.findLast(({ name }) => name === "exemplars")?.value;
  if (hint?.type === "bool") return hint.value ? max : 0;
  if (hint?.type === "int" && hint.value >= 0n) {
    return hint.value < BigInt(max) ? Number(hint.value) : max;
  }
  return requested > 0 ? Math.min(requested, max) : max;
}
