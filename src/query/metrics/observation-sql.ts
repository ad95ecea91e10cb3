import type { FieldRef, MetricsStage } from "../../traceql/ast.ts";
import {
  LABEL_SQL_TYPES,
  LABEL_TYPES,
  type LabelColumn,
  type LabelType,
  labelColumns,
  log2Bucket,
  type Measure,
  measureColumn,
} from "../../traceql/sql/metrics-columns.ts";
import type { SegmentShape } from "../../traceql/sql/segment-shape.ts";
import { checkSqlLength, rawSql } from "../../traceql/sql/sql.ts";
import type { MetricsGrid } from "./grid.ts";
import type { RowSources } from "./row-sources.ts";
import { startInGridSql } from "./segments-in-grid.ts";

/** First-stage functions but compare(), which counts attributes instead of series. */
export type SeriesStage = Exclude<MetricsStage, { type: "compare" }>;

/** How a row of the statement reads. Bucket first, then these, then the exemplar's trace and start. */
export type ObservationLayout = {
  /** For each by-field the alternatives of its value, one column each. */
  readonly labels: readonly (readonly LabelType[])[];
  readonly hasExponent: boolean;
  /** Columns of numbers: one, and for avg() the count. */
  readonly numbers: number;
  readonly hasExemplar: boolean;
};

export type ObservationStatement = { readonly sql: string; readonly layout: ObservationLayout };

/** Whether the function counts spans, whatever their values. */
export function countsSpans(stage: SeriesStage): boolean {
  return stage.type === "metrics" && (stage.fn === "rate" || stage.fn === "count_over_time");
}

/** Whether the function works on buckets of powers of two. */
export function usesBuckets(stage: SeriesStage): boolean {
  return stage.type === "quantiles" || stage.fn === "histogram_over_time";
}

/**
 * One statement that groups the rows of all sources by bucket and labels. Each source is grouped by
 * itself, by its plain columns, since that is what the database does fastest; groups of several
 * sources may speak of the same series. Undefined when no source has an observation.
 */
export function observationStatement(
  stage: SeriesStage,
  grid: MetricsGrid,
  { prelude, sources }: RowSources,
  withExemplars: boolean,
): ObservationStatement | undefined {
  const parts = sources.flatMap((source) => {
    const columns = sourceColumns(stage, source.shape);
    return columns === undefined ? [] : [{ ...source, columns }];
  });
  if (parts.length === 0) return undefined;
  const layout = layoutOf(
    stage,
    parts.map((part) => part.columns),
    withExemplars,
  );
  const selects = parts.map(({ segments, from, where, columns }) => {
    const inner = [...columnList(columns), "trace_id", "start_time"];
    const rows = `(SELECT ${inner.join(", ")} FROM ${from(segments)} WHERE ${where} AND ${startInGridSql(grid)})`;
    return groupedSql(stage, grid, rows, layout, columns);
  });
  return { sql: prelude + selects.join("\nUNION ALL\n"), layout };
}

/** What a source gives of the labels and of the measured value. */
type SourceColumns = {
  readonly labels: readonly (readonly LabelColumn[])[];
  readonly measure: Measure | undefined;
};

/** Undefined when no row of this shape has an observation. */
function sourceColumns(stage: SeriesStage, shape: SegmentShape): SourceColumns | undefined {
  const { field } = stage;
  const measure = field && measureColumn(field, shape, usesBuckets(stage));
  if (field !== undefined && measure === undefined) return undefined;
  return { labels: stage.by.map((by) => labelColumns(by, shape)), measure };
}

/** Throws `TraceQLError` when the columns' text grows too long for one statement. */
function layoutOf(
  stage: SeriesStage,
  sources: readonly SourceColumns[],
  withExemplars: boolean,
): ObservationLayout {
  checkSqlLength(sources.reduce((sum, source) => sum + textLength(source), 0));
  return {
    labels: stage.by.map((_, field) =>
      LABEL_TYPES.filter((type) =>
        sources.some(({ labels }) => labels[field]!.some((column) => column.type === type)),
      ),
    ),
    hasExponent: usesBuckets(stage),
    numbers: stage.type === "metrics" && stage.fn === "avg_over_time" ? 2 : 1,
    hasExemplar: withExemplars,
  };
}

function textLength({ labels, measure }: SourceColumns): number {
  const columns = labels.flat().reduce((sum, column) => sum + column.sql.text.length, 0);
  return columns + (measure?.sql.text.length ?? 0);
}

/** The columns under the names by which `groupedSql` knows them. */
function columnList({ labels, measure }: SourceColumns): string[] {
  const list = labels.flatMap((columns, field) =>
    columns.map(({ type, sql }) => `${sql.text} AS ${labelName(field, type)}`),
  );
  if (measure !== undefined) list.push(`${measure.sql.text} AS measure`);
  return list;
}

function labelName(field: number, type: LabelType): string {
  return `label${field}_${type}`;
}

/** Groups rows that have the columns of `columnList`, `trace_id` and `start_time`. */
function groupedSql(
  stage: SeriesStage,
  grid: MetricsGrid,
  rows: string,
  layout: ObservationLayout,
  columns: SourceColumns,
): string {
  const groups = ["bucket"];
  const shown = ["bucket"];
  layout.labels.forEach((types, field) => {
    for (const type of types) {
      if (!columns.labels[field]!.some((column) => column.type === type)) {
        shown.push(`CAST(NULL AS ${LABEL_SQL_TYPES[type]})`);
        continue;
      }
      groups.push(labelName(field, type));
      shown.push(labelName(field, type));
    }
  });
  const inner = ["*", `${bucketSql(grid)} AS bucket`];
  const measured = stage.field !== undefined;
  if (layout.hasExponent) {
    inner.push(`${log2Bucket(rawSql("measure")).text} AS exponent`);
    groups.push("exponent");
    shown.push("exponent");
  }
  shown.push(...numbersSql(stage));
  if (layout.hasExemplar) {
    // All three come from one row: the first of the group.
    shown.push("any_value(trace_id)", "any_value(epoch_ns(start_time))");
    shown.push(measured ? "CAST(any_value(measure) AS DOUBLE)" : "NULL");
  }
  const present = layout.hasExponent ? "measure >= 2" : measured ? "measure IS NOT NULL" : "TRUE";
  return `SELECT ${shown.join(", ")} FROM (SELECT ${inner.join(", ")} FROM ${rows} WHERE ${present})
    GROUP BY ${groups.join(", ")}`;
}

function numbersSql(stage: SeriesStage): string[] {
  const count = "CAST(count(*) AS DOUBLE)";
  if (stage.type === "quantiles") return [count];
  switch (stage.fn) {
    case "rate":
    case "count_over_time":
    case "histogram_over_time":
      return [count];
    case "min_over_time":
      return ["CAST(min(measure) AS DOUBLE)"];
    case "max_over_time":
      return ["CAST(max(measure) AS DOUBLE)"];
    case "sum_over_time":
      return ["CAST(sum(measure) AS DOUBLE)"];
    case "avg_over_time":
      return ["CAST(sum(measure) AS DOUBLE)", count];
    default:
      return stage.fn satisfies never;
  }
}

/**
 * Number of the bucket of a row in the grid, counted from 0: buckets end with their right edge.
 * `anywhere`: rows that start after the grid have `count`.
 */
export function bucketSql(grid: MetricsGrid, anywhere = false): string {
  const { startUnixNano, stepNanos, count } = grid;
  if (count === 1) return "0";
  const bucket = `(epoch_ns(start_time) - ${startUnixNano + 1n}) // ${stepNanos}`;
  return `CAST(${anywhere ? `least(${bucket}, ${count})` : bucket} AS INTEGER)`;
}

/** Fields whose values the statement reads, beside those of the pipeline. */
export function stageFields(stage: SeriesStage): FieldRef[] {
  return stage.field === undefined ? [...stage.by] : [...stage.by, stage.field];
}
