import type { FieldRef } from "../../traceql/ast.ts";
import { fieldText } from "../../traceql/field-text.ts";
import type { Exemplar, ExemplarPicker } from "./exemplar-picker.ts";
import type { MetricsGrid } from "./grid.ts";
import { NAME_LABEL, NIL_VALUE, stringLabel } from "./label-value.ts";
import { type Log2Bucket, log2Quantile } from "./log2-quantile.ts";
import type { MetricsLabel } from "./metrics-result.ts";
import { countsSpans, type SeriesStage, usesBuckets } from "./observation-sql.ts";
import type { ForEach, WorkingExemplar, WorkingSeries } from "./second-stages.ts";
import type { SeriesTable, TableSeries } from "./series-table.ts";

const NANOS_PER_SECOND = 1e9;

export type FinishedSeries = {
  readonly series: readonly WorkingSeries[];
  /** There were more than the table, or the answer, has room for. */
  readonly truncated: boolean;
};

export const NO_SERIES: FinishedSeries = { series: [], truncated: false };

/** The series of a first stage from what was collected; in no particular order. */
export async function finishSeries(
  stage: SeriesStage,
  grid: MetricsGrid,
  table: SeriesTable,
  exemplars: ExemplarPicker | undefined,
  forEach: ForEach,
): Promise<FinishedSeries> {
  const unit = secondsOf(stage) ? NANOS_PER_SECOND : 1;
  const picked = (exemplars?.picked ?? []).map((each) => ({
    ...each,
    value: each.value === undefined ? undefined : each.value / unit,
  }));
  const rows = table.list();
  if (stage.type === "quantiles") {
    const series = await quantileSeries(stage, rows, picked, unit, table.limit, forEach);
    return { ...series, truncated: series.truncated || table.truncated };
  }
  const bySeries = Map.groupBy(picked, ({ series }) => series);
  const series = rows.map((row): WorkingSeries => {
    const labels = usesBuckets(stage)
      ? [...byLabels(stage.by, row), bucketLabel(row, unit)]
      : namedLabels(stage, row);
    return {
      labels,
      values: valuesOf(stage, grid, row, unit),
      exemplars: (bySeries.get(row) ?? []).map((each) => working(stage, labels, each)),
    };
  });
  const { truncated } = table;
  if (series.length > 0 || stage.by.length > 0 || !countsSpans(stage)) return { series, truncated };
  // Nothing matched: zero is an answer.
  const labels = [stringLabel(NAME_LABEL, stage.fn)];
  const zeros = { labels, values: new Float64Array(grid.count), exemplars: [] };
  return { series: [zeros], truncated };
}

/** Nanoseconds of which fields are told in seconds: of other durations only their buckets are. */
function secondsOf(stage: SeriesStage): boolean {
  const { field } = stage;
  if (field?.type !== "intrinsic") return false;
  if (field.name === "duration") return true;
  const isDuration = field.name === "traceDuration" || field.name === "event:timeSinceStart";
  return isDuration && usesBuckets(stage);
}

function byLabels(by: readonly FieldRef[], row: TableSeries): MetricsLabel[] {
  return by.flatMap((field, i) => {
    const value = row.by[i];
    return value === undefined ? [] : [{ key: fieldText(field), value }];
  });
}

function bucketLabel(row: TableSeries, unit: number): MetricsLabel {
  return { key: "__bucket", value: { doubleValue: 2 ** row.exponent / unit } };
}

function namedLabels(
  stage: SeriesStage & { type: "metrics" },
  row: TableSeries,
): readonly MetricsLabel[] {
  const [first] = stage.by;
  if (first === undefined) return [stringLabel(NAME_LABEL, stage.fn)];
  const labels = byLabels(stage.by, row);
  return labels.length > 0 ? labels : [{ key: fieldText(first), value: NIL_VALUE }];
}

function valuesOf(
  stage: SeriesStage & { type: "metrics" },
  grid: MetricsGrid,
  { values, counts }: TableSeries,
  unit: number,
): Float64Array {
  switch (stage.fn) {
    case "rate": {
      const seconds = Number(grid.stepNanos) / NANOS_PER_SECOND;
      return values.map((value) => (Number.isNaN(value) ? 0 : value / seconds));
    }
    case "count_over_time":
    case "histogram_over_time":
      return values.map((value) => (Number.isNaN(value) ? 0 : value));
    case "min_over_time":
    case "max_over_time":
    case "sum_over_time":
      return unit === 1 ? values.slice() : values.map((value) => value / unit);
    case "avg_over_time":
      return values.map((value, i) => value / unit / counts[i]!);
    default:
      return stage.fn satisfies never;
  }
}

async function quantileSeries(
  stage: SeriesStage & { type: "quantiles" },
  rows: readonly TableSeries[],
  exemplars: readonly Exemplar[],
  unit: number,
  limit: number,
  forEach: ForEach,
): Promise<FinishedSeries> {
  const quantiles = [...new Set(stage.quantiles)].slice(0, limit);
  const groups = [...Map.groupBy(rows, (row) => row.byKey)];
  const shown = groups.slice(0, Math.max(1, Math.floor(limit / quantiles.length)));
  const exemplarsOf = Map.groupBy(exemplars, ({ series }) => series.byKey);
  const pairs = shown.flatMap(([byKey, group]) => {
    const ascending = group.sort((a, b) => a.exponent - b.exponent);
    const overall = ascending.map(total);
    const levels = quantiles.map((quantile) => log2Quantile(quantile, overall) / unit);
    const own = exemplarsOf.get(byKey) ?? [];
    return quantiles.map((quantile, q) => ({
      quantile,
      ascending,
      own: own.filter(({ value }) => nearest(levels, value ?? 0) === q),
    }));
  });
  const series: WorkingSeries[] = [];
  await forEach(pairs, ({ quantile, ascending, own }) => {
    const first = ascending[0]!;
    const p: MetricsLabel = { key: "p", value: { doubleValue: quantile } };
    const labels = [...byLabels(stage.by, first), p];
    const values = first.values.map((_, bucket) => {
      const buckets = ascending.map(
        ({ exponent, values: counts }): Log2Bucket => ({ exponent, count: counts[bucket] || 0 }),
      );
      return log2Quantile(quantile, buckets) / unit;
    });
    series.push({ labels, values, exemplars: own.map((each) => working(stage, labels, each)) });
  });
  const truncated =
    shown.length < groups.length || quantiles.length < new Set(stage.quantiles).size;
  return { series, truncated };
}

/** The bucket over all of the time. */
function total({ exponent, values }: TableSeries): Log2Bucket {
  let count = 0;
  for (const value of values) if (!Number.isNaN(value)) count += value;
  return { exponent, count };
}

function nearest(levels: readonly number[], value: number): number {
  let best = 0;
  levels.forEach((level, i) => {
    if (Math.abs(level - value) < Math.abs(levels[best]! - value)) best = i;
  });
  return best;
}

/** The span's labels are those of the series but what the function adds, and what was measured. */
function working(
  stage: SeriesStage,
  labels: readonly MetricsLabel[],
  { bucket, traceId, startUnixNano, value }: Exemplar,
): WorkingExemplar {
  const added = new Set([NAME_LABEL, "__bucket", "p"]);
  const shown = labels.filter(({ key }) => !added.has(key));
  const standsForBucket = stage.type === "metrics" && stage.fn === "histogram_over_time";
  return {
    traceId,
    startUnixNano,
    bucket,
    value: standsForBucket ? undefined : value,
    labels: shown,
  };
}
