import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { FieldRef, MetricsStage } from "../../traceql/ast.ts";
import {
  EXACT_LOG2,
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
import type { StatementPart } from "./exemplar-segments.ts";
import type { MetricsGrid } from "./grid.ts";
import { gridBuckets } from "./grid-buckets.ts";
import type { LabelHashes } from "./label-hashes.ts";
import type { RowSource, RowSources } from "./row-sources.ts";
import { longestSpanNanos, startInGridSql, startsInGrid } from "./segments-in-grid.ts";

/** First-stage functions but compare(), which counts attributes instead of series. */
export type SeriesStage = Exclude<MetricsStage, { type: "compare" }>;

/** How a row of the statement reads. The code of its bucket first, then these, then the exemplar's trace and start. */
export type ObservationLayout = {
  /** For each by-field the alternatives of its value, one column each. */
  readonly labels: readonly (readonly LabelType[])[];
  /** For each by-field, where its texts are told by their hashes, what these stand for. */
  readonly hashes: readonly (LabelHashes | undefined)[];
  readonly hasExponent: boolean;
  /** Columns of numbers: one, and for avg() the count. */
  readonly numbers: number;
  readonly hasExemplar: boolean;
  /** The bucket's number in the grid. */
  bucketOf(code: number): number;
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
  hasExemplar: StatementPart["hasExemplar"],
  hashes: readonly (LabelHashes | undefined)[] = [],
): ObservationStatement | undefined {
  const parts = sources.flatMap((source) => {
    const columns = sourceColumns(stage, source.shape);
    if (columns === undefined) return [];
    return [{ ...source, columns, sets: rowSets(stage, grid, source, hasExemplar) }];
  });
  if (parts.length === 0) return undefined;
  const { sql: bucket, bucketOf } = gridBuckets(grid);
  const layout = {
    ...layoutOf(
      stage,
      parts.map((part) => part.columns),
    ),
    hashes: stage.by.map((_, field) => hashes[field]),
    hasExemplar: parts.some(({ sets }) => sets.some((set) => set.hasExemplar)),
    bucketOf,
  };
  const selects = parts.flatMap(({ columns, sets, ...source }) => {
    return sets.map((set) => {
      const { segments, inGrid, isShort, hasExemplar } = set;
      // Of segments in a bucket every column that the text names is fetched.
      const ofExemplar = hasExemplar ? ["trace_id"] : [];
      const inner = [...columnList(columns, layout), ...ofExemplar, "start_time"].join(", ");
      const where = inGrid ? source.where : `${source.where} AND ${startInGridSql(grid)}`;
      const rows = `(SELECT ${inner} FROM ${source.from(segments)} WHERE ${where})`;
      return groupedSql(stage, { rows, bucket, isShort, hasExemplar }, layout, columns);
    });
  });
  return { sql: prelude + selects.join("\nUNION ALL\n"), layout };
}

/** Segments of which the same is known: conditions that hold for all rows still cost. */
type RowSet = {
  readonly segments: readonly SegmentSummary[];
  /** All rows start in the grid. */
  readonly inGrid: boolean;
  /** What is measured is at most `EXACT_LOG2` on all rows. */
  readonly isShort: boolean;
  /** Exemplars are taken from them. */
  readonly hasExemplar: boolean;
};

function rowSets(
  stage: SeriesStage,
  grid: MetricsGrid,
  { segments, isStored }: RowSource,
  wantsExemplar: StatementPart["hasExemplar"],
): RowSet[] {
  if (!isStored) {
    const hasExemplar = segments.some(wantsExemplar);
    return [{ segments, inGrid: false, isShort: false, hasExemplar }];
  }
  const ofDuration = stage.field?.type === "intrinsic" && stage.field.name === "duration";
  const sets = Map.groupBy(segments, (meta) => {
    const longest = ofDuration ? longestSpanNanos(meta) : undefined;
    const isShort = longest !== undefined && longest <= EXACT_LOG2;
    return (wantsExemplar(meta) ? 4 : 0) + (startsInGrid(meta, grid) ? 2 : 0) + (isShort ? 1 : 0);
  });
  return Array.from(sets, ([known, alike]) => ({
    segments: alike,
    hasExemplar: (known & 4) !== 0,
    inGrid: (known & 2) !== 0,
    isShort: (known & 1) !== 0,
  }));
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
): Pick<ObservationLayout, "labels" | "hasExponent" | "numbers"> {
  checkSqlLength(sources.reduce((sum, source) => sum + textLength(source), 0));
  return {
    labels: stage.by.map((_, field) =>
      LABEL_TYPES.filter((type) =>
        sources.some(({ labels }) => labels[field]!.some((column) => column.type === type)),
      ),
    ),
    hasExponent: usesBuckets(stage),
    numbers: stage.type === "metrics" && stage.fn === "avg_over_time" ? 2 : 1,
  };
}

function textLength({ labels, measure }: SourceColumns): number {
  const columns = labels.flat().reduce((sum, column) => sum + column.sql.text.length, 0);
  return columns + (measure?.sql.text.length ?? 0);
}

/** The columns under the names by which `groupedSql` knows them. */
function columnList({ labels, measure }: SourceColumns, layout: ObservationLayout): string[] {
  const list = labels.flatMap((columns, field) =>
    columns.map(({ type, sql }) => {
      const value = isHashed(layout, field, type) ? `hash(${sql.text})` : sql.text;
      return `${value} AS ${labelName(field, type)}`;
    }),
  );
  if (measure !== undefined) list.push(`${measure.sql.text} AS measure`);
  return list;
}

/** Whether the column has hashes of the field's texts. */
export function isHashed({ hashes }: ObservationLayout, field: number, type: LabelType): boolean {
  return type === "string" && hashes[field] !== undefined;
}

function labelName(field: number, type: LabelType): string {
  return `label${field}_${type}`;
}

/** Groups rows that have the columns of `columnList`, `trace_id` and `start_time`. */
function groupedSql(
  stage: SeriesStage,
  {
    rows,
    bucket,
    isShort,
    hasExemplar,
  }: Pick<RowSet, "isShort" | "hasExemplar"> & { readonly rows: string; readonly bucket: string },
  layout: ObservationLayout,
  columns: SourceColumns,
): string {
  const groups = ["bucket"];
  const shown = ["bucket"];
  layout.labels.forEach((types, field) => {
    for (const type of types) {
      if (!columns.labels[field]!.some((column) => column.type === type)) {
        const sqlType = isHashed(layout, field, type) ? "UBIGINT" : LABEL_SQL_TYPES[type];
        shown.push(`CAST(NULL AS ${sqlType})`);
        continue;
      }
      groups.push(labelName(field, type));
      shown.push(labelName(field, type));
    }
  });
  const inner = ["*", `${bucket} AS bucket`];
  const measured = stage.field !== undefined;
  if (layout.hasExponent) {
    inner.push(`${log2Bucket(rawSql("measure"), isShort).text} AS exponent`);
    groups.push("exponent");
    shown.push("exponent");
  }
  shown.push(...numbersSql(stage));
  if (layout.hasExemplar && !hasExemplar) {
    shown.push("CAST(NULL AS UUID)", "CAST(NULL AS BIGINT)", "NULL");
  } else if (layout.hasExemplar) {
    // All three come from one row: the first of the group.
    shown.push("any_value(trace_id)", "epoch_ns(any_value(start_time))");
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

/** Fields whose values the statement reads, beside those of the pipeline. */
export function stageFields(stage: SeriesStage): FieldRef[] {
  return stage.field === undefined ? [...stage.by] : [...stage.by, stage.field];
}
