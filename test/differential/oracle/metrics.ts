import type {
  FieldExpr,
  FieldRef,
  MetricsStage,
  Query,
  SecondStage,
  Stage,
} from "../../../src/traceql/ast.ts";
import { compareSeries } from "./compare-metrics.ts";
import { fieldValue } from "./field.ts";
import { spanValue } from "./filter.ts";
import { runStages } from "./pipeline.ts";
import { fieldText } from "./text.ts";
import type { OracleSpan, OracleTrace } from "./trace.ts";
import { compare, groupKey, literal, single, string, type Value } from "./value.ts";

/** Right-closed buckets: bucket i is (start + i step, start + (i + 1) step]. */
export type Grid = {
  readonly startUnixNano: bigint;
  readonly stepNanos: bigint;
  readonly buckets: number;
};
export type Series = {
  readonly labels: readonly (readonly [key: string, value: Value])[];
  /** One for each bucket, undefined = no sample. */
  readonly points: readonly (number | undefined)[];
};

/** §5.2: the grid of a range query, `endUnixNano` already cut off. */
export function rangeGrid(start: bigint, end: bigint, step: bigint): Grid {
  const floored = (start / step) * step;
  const aligned = floored - step > 0n ? floored - step : floored;
  const ceiled = ((end + step - 1n) / step) * step;
  return {
    startUnixNano: aligned,
    stepNanos: step,
    buckets: Number((ceiled - aligned) / step),
  };
}

/** §5.2: an instant query is one bucket (start, end]. */
export function instantGrid(start: bigint, end: bigint): Grid {
  return { startUnixNano: start, stepNanos: end - start, buckets: 1 };
}

export function bucketOf(grid: Grid, unixNano: bigint): number | undefined {
  const offset = unixNano - grid.startUnixNano;
  if (offset <= 0n) return undefined;
  const bucket = Number((offset - 1n) / grid.stepNanos);
  return bucket < grid.buckets ? bucket : undefined;
}

/** The series of a metrics query (§5.3 to §5.7), in no particular order. */
export function metricsOracle(
  traces: readonly OracleTrace[],
  query: Query,
  grid: Grid,
): readonly Series[] {
  const metrics = query.metrics;
  if (metrics === undefined) throw new Error("not a metrics query");
  if (constantFalse(query.stages)) return [];
  const observed = traces
    .flatMap((trace) => runStages(query.stages, trace.spans))
    .flatMap(({ spans }) => spans)
    .flatMap((span) => {
      const bucket = bucketOf(grid, span.startUnixNano);
      return bucket === undefined ? [] : [{ span, bucket }];
    });
  const series = firstStage(metrics, query.stages, observed, grid);
  return query.second.reduce(secondStage, series);
}

export type Observed = { readonly span: OracleSpan; readonly bucket: number };

function firstStage(
  metrics: MetricsStage,
  stages: readonly Stage[],
  observed: readonly Observed[],
  grid: Grid,
): readonly Series[] {
  if (metrics.type === "compare") return compareSeries(metrics, stages, observed, grid.buckets);
  const groups = grouped(observed, metrics.by);
  if (metrics.type === "quantiles") return quantileSeries(metrics, groups, grid);
  const { fn, field, by } = metrics;
  if (fn === "histogram_over_time") {
    return groups.flatMap(({ labels, observed: inGroup }) =>
      bounds(log2Buckets(field!, inGroup, grid.buckets)).map(({ bound, counts }) => ({
        labels: [...labels, ["__bucket", { t: "float", v: bound }]] as Series["labels"],
        points: counts,
      })),
    );
  }
  const named: Series["labels"] = [["__name__", string(fn)]];
  if (fn === "rate" || fn === "count_over_time") {
    const unit = fn === "rate" ? Number(grid.stepNanos) / 1e9 : 1;
    // An ungrouped count of nothing is zero.
    const all = by.length === 0 && groups.length === 0 ? [{ labels: [], observed: [] }] : groups;
    return all.map(({ labels, observed: inGroup }) => ({
      labels: by.length === 0 ? named : nilLabelled(labels, by),
      points: perBucket(inGroup, grid.buckets, (spans) => spans.length / unit),
    }));
  }
  return groups
    .map(({ labels, observed: inGroup }) => ({
      labels: by.length === 0 ? named : nilLabelled(labels, by),
      points: perBucket(inGroup, grid.buckets, (spans) => {
        const values = spans.flatMap((span) => number(field!, span) ?? []);
        return values.length === 0 ? undefined : reduce(fn, values);
      }),
    }))
    .filter(({ points }) => points.some((point) => point !== undefined));
}

function perBucket(
  observed: readonly Observed[],
  buckets: number,
  value: (spans: readonly OracleSpan[]) => number | undefined,
): (number | undefined)[] {
  return Array.from({ length: buckets }, (_, b) =>
    value(observed.filter(({ bucket }) => bucket === b).map(({ span }) => span)),
  );
}

function reduce(fn: string, values: readonly number[]): number {
  switch (fn) {
    case "min_over_time":
      return Math.min(...values);
    case "max_over_time":
      return Math.max(...values);
    case "sum_over_time":
      return values.reduce((a, b) => a + b, 0);
    default:
      return values.reduce((a, b) => a + b, 0) / values.length;
  }
}

/** `duration` counts in seconds, other durations in nanoseconds; undefined is no number. */
function number(field: FieldRef, span: OracleSpan): number | undefined {
  const value = single(fieldValue(field, span, {}));
  if (value.t === "float" || value.t === "int") return Number(value.v);
  if (value.t !== "duration") return undefined;
  return isSpanDuration(field) ? Number(value.v) / 1e9 : Number(value.v);
}

function isSpanDuration(field: FieldRef): boolean {
  return field.type === "intrinsic" && field.name === "duration";
}

type Group = { readonly labels: Series["labels"]; readonly observed: readonly Observed[] };

/** By the values of the fields; arrays count as nil (§5.5), nil values are left out of the labels. */
function grouped(observed: readonly Observed[], by: readonly FieldRef[]): Group[] {
  const groups = new Map<string, { labels: Series["labels"]; observed: Observed[] }>();
  for (const one of observed) {
    const labels = by.flatMap((field) => {
      const value = single(fieldValue(field, one.span, {}));
      const absent = value.t === "nil" || value.t === "empty" || value.t === "array";
      return absent ? [] : [[fieldText(field), value] as const];
    });
    const key = labelsKey(labels);
    const group = groups.get(key) ?? { labels, observed: [] };
    groups.set(key, group);
    group.observed.push(one);
  }
  return [...groups.values()];
}

export function labelsKey(labels: Series["labels"]): string {
  return JSON.stringify(labels.map(([key, value]) => [key, groupKey(value)]));
}

function nilLabelled(labels: Series["labels"], by: readonly FieldRef[]): Series["labels"] {
  return labels.length > 0 ? labels : [[fieldText(by[0]!), string("nil")]];
}

/** Counts by upper bound (a power of two) and time bucket; durations in ns, floats are ignored. */
type Log2Buckets = { readonly seconds: boolean; readonly counts: ReadonlyMap<bigint, number[]> };

function log2Buckets(field: FieldRef, observed: readonly Observed[], buckets: number): Log2Buckets {
  const counts = new Map<bigint, number[]>();
  let seconds = false;
  for (const { span, bucket } of observed) {
    const value = single(fieldValue(field, span, {}));
    if (value.t !== "int" && value.t !== "duration") continue;
    seconds ||= value.t === "duration";
    if (value.v < 2n) continue;
    let bound = 2n;
    while (bound < value.v) bound *= 2n;
    const times = counts.get(bound) ?? Array.from({ length: buckets }, () => 0);
    counts.set(bound, times);
    times[bucket]!++;
  }
  return { seconds, counts };
}

function bounds({ seconds, counts }: Log2Buckets): { bound: number; counts: number[] }[] {
  return Array.from(counts, ([bound, times]) => ({
    bound: seconds ? Number(bound) / 1e9 : Number(bound),
    counts: times,
  })).sort((a, b) => a.bound - b.bound);
}

function quantileSeries(
  metrics: MetricsStage & { type: "quantiles" },
  groups: readonly Group[],
  grid: Grid,
): Series[] {
  return groups.flatMap(({ labels, observed }) => {
    const log2 = log2Buckets(metrics.field, observed, grid.buckets);
    if (log2.counts.size === 0) return [];
    return metrics.quantiles.map(
      (q): Series => ({
        labels: [...labels, ["p", { t: "float", v: q }]],
        points: Array.from({ length: grid.buckets }, (_, b) => {
          const value = quantile(
            q,
            Array.from(log2.counts, ([bound, times]) => [Number(bound), times[b]!] as const),
          );
          return log2.seconds ? value / 1e9 : value;
        }),
      }),
    );
  });
}

/** §5.4. */
export function quantile(
  q: number,
  all: readonly (readonly [bound: number, count: number])[],
): number {
  const buckets = all.filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return 0;
  const wanted = Math.max(1, Math.ceil(q * total));
  let taken = 0;
  for (const [i, [bound, count]] of buckets.entries()) {
    if (taken + count > wanted) {
      const high = Math.log2(bound);
      const low = i > 0 ? Math.log2(buckets[i - 1]![0]) : high - 1;
      return 2 ** (low + (high - low) * ((wanted - taken) / count));
    }
    taken += count;
    if (taken === wanted) return bound;
  }
  return buckets.at(-1)![0];
}

function secondStage(series: readonly Series[], stage: SecondStage): readonly Series[] {
  if (stage.type === "metrics-filter") {
    const value = literal(stage.value);
    const bound =
      value.t === "duration" ? ({ t: "float", v: Number(value.v) / 1e9 } as const) : value;
    return kept(series, (point) => compare(stage.op, { t: "float", v: point }, bound));
  }
  const limit = Number(stage.limit);
  if (series.length <= limit) return series;
  const sign = stage.type === "topk" ? 1 : -1;
  const ranked = [...series].sort((a, b) => sign * compareLabels(a, b));
  return kept(series, (_, b, one) => {
    const order = ranked
      .filter(({ points }) => points[b] !== undefined)
      .sort((x, y) => sign * (y.points[b]! - x.points[b]!));
    return order.indexOf(one) < limit;
  });
}

/** Strings alphabetically; of equal strings larger integers come first. */
function compareLabels(a: Series, b: Series): number {
  for (let i = 0; i < Math.min(a.labels.length, b.labels.length); i++) {
    const left = a.labels[i]![1];
    const right = b.labels[i]![1];
    if (left.t === "string" && right.t === "string") {
      if (left.v !== right.v) return compare("<", left, right) ? -1 : 1;
    } else if (compare(">", left, right)) return -1;
    else if (compare("<", left, right)) return 1;
  }
  return a.labels.length - b.labels.length;
}

function kept(
  series: readonly Series[],
  keep: (point: number, bucket: number, series: Series) => boolean,
): Series[] {
  return series
    .map((one) => ({
      labels: one.labels,
      points: one.points.map((point, b) =>
        point !== undefined && keep(point, b, one) ? point : undefined,
      ),
    }))
    .filter(({ points }) => points.some((point) => point !== undefined));
}

/** Whether the spanset pipeline is false without looking at a span (§4.7, §5.1). */
export function constantFalse(stages: readonly Stage[]): boolean {
  return stages.some((stage) => never(stage));
}

function never(stage: Stage): boolean {
  switch (stage.type) {
    case "filter":
      return isConstant(stage.expr) && !holdsAlways(stage.expr);
    case "spanset-op":
      if (stage.op === "||") return never(stage.left) && never(stage.right);
      if (stage.op.startsWith("!")) return never(stage.right);
      return never(stage.left) || never(stage.right);
    case "pipeline":
      return constantFalse(stage.stages);
    default:
      return false;
  }
}

function isConstant(e: FieldExpr): boolean {
  switch (e.type) {
    case "static":
      return true;
    case "field":
      return false;
    case "binary":
      return isConstant(e.left) && isConstant(e.right);
    default:
      return isConstant(e.operand);
  }
}

function holdsAlways(e: FieldExpr): boolean {
  const value = spanValue(e, undefined as unknown as OracleSpan);
  return value.t === "bool" && value.v;
}
