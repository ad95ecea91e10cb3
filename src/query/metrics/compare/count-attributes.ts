import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { FieldRef } from "../../../traceql/ast.ts";
import { fieldText } from "../../../traceql/field-text.ts";
import type { AnyValueLike } from "../../../traceql/sql/field.ts";
import { labelColumns } from "../../../traceql/sql/metrics-columns.ts";
import { quoteLiteral } from "../../../traceql/sql/sql.ts";
import type { Evaluation } from "../evaluation.ts";
import type { MetricsGrid } from "../grid.ts";
import { labelKey, labelValue } from "../label-value.ts";
import type { RowSource, RowSources } from "../row-sources.ts";
import { type CompareColumn, type CompareMap, compareLayouts } from "./compare-attributes.ts";
import type { CountSink, GroupCounts } from "./count-sink.ts";
import {
  type CompareRows,
  type Counting,
  columnCountsSql,
  mapCountsSql,
  topValuesSql,
} from "./counts-sql.ts";

export type CountRequest = {
  readonly evaluation: Evaluation;
  readonly rows: RowSources;
  /** The condition that selects, for rows of a source. */
  readonly selectionOf: (source: RowSource) => string;
  /** Fields of events and links to count beside the attributes of spans. */
  readonly listFields: readonly FieldRef[];
  readonly topN: number;
};

/** Columns with more values than this are counted each by itself, and only their top values read. */
const FEW_VALUES = 2000;
/** Sets of one statement: each has a hash table a thread. */
const MAX_SETS = 64;
/**
 * Of a column most of whose values are seen once or twice (an id, say), only so many spans' values
 * are counted, of the newest segments: which of them come first says nothing.
 */
const MAX_UNIQUE_SPANS = 250_000;

/** Top values read of an attribute that rests in several places, of which each tells its own. */
const KEPT_VALUES = 1000;
/** Columns with no more values than this are read whole, also for every bucket. */
const LISTED_VALUES = 50;

type Layout = {
  readonly rows: CompareRows;
  readonly columns: readonly CompareColumn[];
  readonly maps: readonly CompareMap[];
};
type ColumnOfRows = { readonly rows: CompareRows; readonly column: CompareColumn };

/**
 * Counts every attribute over all of the time: the most frequent values, and totals. Every value of
 * columns with few, the top ones of others.
 */
export async function countValues(request: CountRequest, sink: CountSink): Promise<void> {
  const { evaluation, rows } = request;
  const { run } = evaluation;
  const { startUnixNano, stepNanos, count } = evaluation.grid;
  const whole = { startUnixNano, stepNanos: stepNanos * BigInt(count), count: 1 };
  const layouts = layoutsOf(request);
  const many = new Map<string, ColumnOfRows[]>();
  for (const layout of layouts) {
    const countings = layout.columns.map((column) => ({
      column,
      presence: column.distinct > FEW_VALUES,
    }));
    for (const { column, presence } of countings) {
      const key = `${column.type} ${column.attribute}`;
      if (presence) many.set(key, [...(many.get(key) ?? []), { rows: layout.rows, column }]);
    }
    await readColumns(request, layout.rows, countings, whole, sink);
  }
  for (const places of many.values()) {
    const { attribute, type } = places[0]!.column;
    const sources = countedPlaces(places).map(({ rows: some, column }) => ({
      rows: some,
      value: column.sql,
    }));
    const sql = rows.prelude + topValuesSql(sources, keptValues(request), whole);
    for (const row of await run.rows(sql)) {
      sink.value(attribute, labelValue(type, row[0]!), 0, countsOf(row[1]!, row[2]!));
    }
  }
  await readMaps(request, layouts, whole, sink);
}

/** Counts, for every bucket of the grid, the values of `tops` and all totals. */
export async function countBuckets(
  request: CountRequest,
  tops: ReadonlyMap<string, readonly AnyValueLike[]>,
  sink: CountSink,
): Promise<void> {
  const { grid } = request.evaluation;
  const known = new Map([...tops].map(([name, values]) => [name, new Set(values.map(labelKey))]));
  const onlyTops: CountSink = {
    value: (attribute, value, bucket, counts) => {
      if (known.get(attribute)?.has(labelKey(value)) === true)
        sink.value(attribute, value, bucket, counts);
    },
    total: sink.total,
  };
  const layouts = layoutsOf(request);
  for (const layout of layouts) {
    const countings = layout.columns.flatMap((column): Counting[] => {
      const presence = { column, presence: true };
      if (column.distinct <= LISTED_VALUES) return [{ column, presence: false }];
      const only = (tops.get(column.attribute) ?? []).flatMap((value) => literalOf(column, value));
      return only.length === 0 ? [presence] : [presence, { column, presence: false, only }];
    });
    await readColumns(request, layout.rows, countings, grid, onlyTops);
  }
  await readMaps(request, layouts, grid, onlyTops);
}

function layoutsOf({ rows, selectionOf, listFields }: CountRequest): Layout[] {
  return rows.sources.flatMap((source) => {
    const selection = selectionOf(source);
    const lists = listFields.flatMap((field) => listColumns(field, source));
    return compareLayouts(source.segments).map(({ segments, columns, maps }) => ({
      rows: { source, segments, selection },
      columns: [...columns, ...lists],
      maps,
    }));
  });
}

/** Of lists the statistics count the entries, not the spans, so they are taken to have many values. */
function listColumns(field: FieldRef, { shape }: RowSource): CompareColumn[] {
  return labelColumns(field, shape).map(({ type, sql }) => ({
    attribute: fieldText(field),
    type,
    sql: sql.text,
    distinct: FEW_VALUES + 1,
    count: 0,
  }));
}

function keptValues({ topN }: CountRequest): number {
  return Math.max(topN, KEPT_VALUES);
}

/** All places, or the newest that hold enough spans when almost every span has its own value. */
function countedPlaces(places: readonly ColumnOfRows[]): ColumnOfRows[] {
  const unique = places.every(
    ({ column: { distinct, count }, rows }) => distinct * rows.segments.length > count / 2,
  );
  if (!unique) return [...places];
  let spans = 0;
  return places.filter(({ column }) => {
    const wanted = spans === 0 || spans < MAX_UNIQUE_SPANS;
    spans += column.count;
    return wanted;
  });
}

async function readColumns(
  { evaluation: { run, budget }, rows: { prelude } }: CountRequest,
  rows: CompareRows,
  countings: readonly Counting[],
  grid: MetricsGrid,
  sink: CountSink,
): Promise<void> {
  for (let at = 0; at < countings.length; at += MAX_SETS) {
    const some = countings.slice(at, at + MAX_SETS);
    await run.chunks(prelude + columnCountsSql(rows, some, grid), ({ rowCount, columns }) => {
      budget.take(rowCount);
      for (let row = 0; row < rowCount; row++) {
        const i = some.findIndex((_, c) => columns[1 + c]![row] !== null);
        if (i < 0) continue;
        const { column, presence, only } = some[i]!;
        const value = columns[1 + i]![row]!;
        const counts = countsOf(columns[1 + some.length]![row]!, columns[2 + some.length]![row]!);
        const bucket = Number(columns[0]![row]);
        if (!presence) sink.value(column.attribute, labelValue(column.type, value), bucket, counts);
        // Columns that are counted by presence beside have their totals from there.
        const complete = !presence && only === undefined;
        if (complete || value === true) sink.total(column.attribute, bucket, counts);
      }
    });
  }
}

async function readMaps(
  request: CountRequest,
  layouts: readonly Layout[],
  grid: MetricsGrid,
  sink: CountSink,
): Promise<void> {
  const { evaluation, rows } = request;
  const places = layouts.flatMap((layout) =>
    layout.maps.map((map) => ({ rows: layout.rows, map })),
  );
  for (const some of Map.groupBy(places, ({ map }) => `${map.scope} ${map.type}`).values()) {
    const { scope, type } = some[0]!.map;
    const sql = rows.prelude + mapCountsSql(some, keptValues(request), grid);
    let lastKey = "";
    await evaluation.run.chunks(sql, ({ rowCount, columns }) => {
      evaluation.budget.take(rowCount);
      for (let row = 0; row < rowCount; row++) {
        const [bucket, key] = [Number(columns[0]![row]), String(columns[1]![row])];
        // A string here would be a second service name.
        if (scope === "resource" && key === "service.name" && type === "string") continue;
        const attribute = fieldText({ type: "attribute", scope, key });
        const value = labelValue(type === "json" ? "string" : type, columns[2]![row]!);
        sink.value(attribute, value, bucket, countsOf(columns[3]![row]!, columns[4]![row]!));
        // Rows of one key and bucket come together, each with the key's totals.
        const id = `${bucket} ${key}`;
        if (id === lastKey) continue;
        lastKey = id;
        sink.total(attribute, bucket, countsOf(columns[5]![row]!, columns[6]![row]!));
      }
    });
  }
}

function countsOf(total: SqlValue, chosen: SqlValue): GroupCounts {
  const selection = Number(chosen);
  return { baseline: Number(total) - selection, selection };
}

/** Empty for a value of another type than the column has. */
function literalOf({ type }: CompareColumn, value: AnyValueLike): string[] {
  if (type === "string" && "stringValue" in value) return [quoteLiteral(value.stringValue)];
  if (type === "int" && "intValue" in value) return [quoteLiteral(BigInt(value.intValue))];
  if (type === "double" && "doubleValue" in value) return [quoteLiteral(value.doubleValue)];
  return [];
}
