import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { SegmentSummary } from "../../../schema/segment-meta.ts";
import type { FieldRef } from "../../../traceql/ast.ts";
import { fieldText } from "../../../traceql/field-text.ts";
import { type AnyValueLike, decodeArray } from "../../../traceql/sql/field.ts";
import { arrayTest, type LabelType, labelColumns } from "../../../traceql/sql/metrics-columns.ts";
import { quoteLiteral } from "../../../traceql/sql/sql.ts";
import type { Evaluation } from "../evaluation.ts";
import type { MetricsGrid } from "../grid.ts";
import { labelValue, NIL_VALUE } from "../label-value.ts";
import type { RowSource, RowSources } from "../row-sources.ts";
import { startsInGrid } from "../segments-in-grid.ts";
import { columnClusters } from "./column-clusters.ts";
import {
  attributeOfMap,
  type CompareColumn,
  compareLayouts,
  EVERY_SPAN,
} from "./compare-attributes.ts";
import { type ColumnsToCount, countStored } from "./count-stored.ts";
import {
  bucketsOf,
  type ColumnPlace,
  type CompareRows,
  candidatesSql,
  columnCountsSql,
  type MapPlace,
  mapCountsSql,
  totalsSql,
  valueCountsSql,
} from "./counts-sql.ts";
import type { GroupCounts, ValueCounts } from "./value-counts.ts";

export type CountRequest = {
  readonly evaluation: Evaluation;
  readonly rows: RowSources;
  /** The condition that selects, for rows of a source. */
  readonly selectionOf: (source: RowSource) => string;
  /** Fields of events and links to count beside the attributes of spans. */
  readonly listFields: readonly FieldRef[];
  readonly topN: number;
};

/** Columns with more values than this have only some of them counted. */
const FEW_VALUES = 100;
/**
 * Which values these are is found out from so many spans of the newest segments. A value that is
 * frequent enough to tell something is frequent there too, and its count is exact in the end.
 */
const CANDIDATE_SPANS = 250_000;
/** Most values of one column that are counted so, for each of both groups. */
const MAX_CANDIDATES = 1000;
/** Clusters of one statement: each has hash tables, of some megabytes even when they are almost empty. */
const MAX_CLUSTERS = 6;
/** Top values of an overflow map's key that one bucket tells. */
const KEPT_VALUES = 100;

/** Counts every attribute for every bucket: totals, and the values that may be among the top. */
export async function countAttributes(request: CountRequest, counts: ValueCounts): Promise<void> {
  const layouts = await layoutsOf(request);
  const chosen = new Map<string, readonly SqlValue[]>();
  const many = layouts.flatMap(({ rows, columns }) =>
    columns.filter((column) => !hasFewValues(column)).map((column) => ({ rows, column })),
  );
  for (const [id, places] of Map.groupBy(many, ({ column }) => idOf(column))) {
    chosen.set(id, await candidateValues(request, places));
  }
  const { run, grid } = request.evaluation;
  const valuesOf = (column: CompareColumn) =>
    hasFewValues(column) ? undefined : chosen.get(idOf(column));
  const stored = { run, grid, prelude: request.rows.prelude, valuesOf };
  const places: ColumnPlace[] = [];
  const mapPlaces: MapPlace[] = [];
  for (const layout of layouts) {
    for (const { rows, columns, maps } of await countStored(stored, layout, counts)) {
      for (const map of maps) mapPlaces.push({ rows, map });
      const rest = columns.filter((column) => !hasFewValues(column));
      await readColumns(request, rows, columns.filter(hasFewValues), counts);
      await readTotals(request, rows, rest, counts);
      for (const column of rest) places.push({ rows, column });
    }
  }
  for (const [id, some] of Map.groupBy(places, ({ column }) => idOf(column))) {
    await readValues(request, some, chosen.get(id) ?? [], counts);
  }
  await readMaps(request, mapPlaces, counts);
}

function idOf({ type, attribute }: CompareColumn): string {
  return `${type} ${attribute}`;
}

/** Newest segments first. */
async function layoutsOf({
  evaluation,
  rows,
  selectionOf,
  listFields,
}: CountRequest): Promise<ColumnsToCount[]> {
  const { catalog } = evaluation.run.context;
  const all: ColumnsToCount[] = [];
  const isInside = (meta: SegmentSummary): boolean => startsInGrid(meta, evaluation.grid);
  for (const source of rows.sources) {
    using loaded = await catalog.loadKeys(source.segments, evaluation.run.signal);
    const selection = selectionOf(source);
    const lists = listFields.flatMap((field) => listColumns(field, source));
    const layouts = compareLayouts(loaded.segments, (meta) => String(isInside(meta)));
    for (const { segments, columns, maps } of layouts) {
      const inside = segments.every(isInside);
      const ofLayout = { source, segments, inside, selection };
      all.push({ rows: ofLayout, columns: [...columns, ...lists], maps });
    }
  }
  return all;
}

/** Of lists the statistics count the entries, not the spans, so they are taken to have many values. */
function listColumns(field: FieldRef, { shape }: RowSource): CompareColumn[] {
  const attribute = fieldText(field);
  const rest = {
    attribute,
    stored: undefined,
    distinct: FEW_VALUES + 1,
    count: 0,
    constant: undefined,
  };
  const columns = labelColumns(field, shape)
    .filter(({ type }) => type !== "duration")
    .map(({ type, sql }): CompareColumn => ({ ...rest, type, sql: sql.text }));
  const array = arrayTest(field, shape);
  if (array !== undefined) {
    columns.push({ ...rest, type: "string", sql: `CASE WHEN ${array.text} THEN 'nil' END` });
  }
  return columns;
}

async function readColumns(
  { evaluation: { run, budget, grid }, rows: { prelude } }: CountRequest,
  rows: CompareRows,
  columns: readonly CompareColumn[],
  counts: ValueCounts,
): Promise<void> {
  const hasEverySpan = columns.some(({ attribute }) => attribute === EVERY_SPAN);
  const isConstant = ({ constant }: CompareColumn) => constant !== undefined && hasEverySpan;
  const constants = columns.filter(isConstant);
  const varying = columns.filter((column) => !isConstant(column));
  const add = (column: CompareColumn, value: SqlValue, bucket: number, each: GroupCounts): void => {
    counts.addValue(column.attribute, labelValue(column.type, value), bucket, each);
    counts.addTotal(column.attribute, bucket, each);
    if (column.attribute !== EVERY_SPAN) return;
    for (const other of constants) add(other, other.constant!, bucket, each);
  };
  const clusters = columnClusters(varying);
  const { bucketOf } = bucketsOf(grid);
  for (let at = 0; at < clusters.length; at += MAX_CLUSTERS) {
    const together = clusters.slice(at, at + MAX_CLUSTERS);
    const some = together.flat();
    await run.chunks(
      columnCountsSql(prelude, rows, together, grid),
      ({ rowCount, columns: found }) => {
        budget.take(rowCount);
        for (let row = 0; row < rowCount; row++) {
          const i = some.findIndex((_, c) => found[1 + c]![row] !== null);
          if (i < 0) continue;
          const each = countsOf(found[1 + some.length]![row]!, found[2 + some.length]![row]!);
          add(some[i]!, found[1 + i]![row]!, bucketOf(Number(found[0]![row])), each);
        }
      },
    );
  }
}

/** Codes of status and kind may be any number, but are shown as a few words. */
function hasFewValues({ distinct, type }: CompareColumn): boolean {
  return distinct <= FEW_VALUES || type === "status" || type === "kind";
}

async function readTotals(
  { evaluation: { run, grid }, rows: { prelude } }: CountRequest,
  rows: CompareRows,
  columns: readonly CompareColumn[],
  counts: ValueCounts,
): Promise<void> {
  if (columns.length === 0) return;
  const { bucketOf } = bucketsOf(grid);
  for (const row of await run.rows(prelude + totalsSql(rows, columns, grid))) {
    columns.forEach(({ attribute }, i) => {
      const each = countsOf(row[1 + 2 * i]!, row[2 + 2 * i]!);
      counts.addTotal(attribute, bucketOf(Number(row[0])), each);
    });
  }
}

/** The values of a column that are told apart when it has many. */
async function candidateValues(
  { evaluation: { run, grid }, rows: { prelude }, topN }: CountRequest,
  places: readonly ColumnPlace[],
): Promise<SqlValue[]> {
  const { type } = places[0]!.column;
  // More than are shown: those that come after them may be more frequent elsewhere.
  const limit = Math.min(MAX_CANDIDATES, 5 * topN);
  const whole = wholeOf(grid);
  const found = await run.rows(candidatesSql(prelude, newestPlaces(places), limit, whole));
  return found.flatMap(([value]) => (literalOf(type, value!) === undefined ? [] : [value!]));
}

async function readValues(
  { evaluation: { run, grid, budget }, rows: { prelude } }: CountRequest,
  places: readonly ColumnPlace[],
  wanted: readonly SqlValue[],
  counts: ValueCounts,
): Promise<void> {
  if (wanted.length === 0) return;
  const { attribute, type } = places[0]!.column;
  const literals = wanted.flatMap((value) => literalOf(type, value) ?? []);
  const sql = prelude + valueCountsSql(places, literals, grid);
  const { bucketOf } = bucketsOf(grid);
  await run.chunks(sql, ({ rowCount, columns }) => {
    budget.take(rowCount);
    for (let row = 0; row < rowCount; row++) {
      const each = countsOf(columns[2]![row]!, columns[3]![row]!);
      const value = labelValue(type, columns[1]![row]!);
      counts.addValue(attribute, value, bucketOf(Number(columns[0]![row])), each);
    }
  });
}

/** The same time as one bucket. */
function wholeOf({ startUnixNano, stepNanos, count }: MetricsGrid): MetricsGrid {
  return { startUnixNano, stepNanos: stepNanos * BigInt(count), count: 1 };
}

/** Of the places those segments that together hold enough spans with the column. */
function newestPlaces(places: readonly ColumnPlace[]): ColumnPlace[] {
  let spans = 0;
  return places.flatMap(({ rows, column }) => {
    const ofEach = column.count / rows.segments.length;
    const segments = rows.segments.filter(() => {
      const wanted = spans < CANDIDATE_SPANS;
      spans += ofEach;
      return wanted;
    });
    return segments.length === 0 ? [] : [{ column, rows: { ...rows, segments } }];
  });
}

async function readMaps(
  { evaluation, rows: { prelude } }: CountRequest,
  places: readonly MapPlace[],
  counts: ValueCounts,
): Promise<void> {
  const { bucketOf } = bucketsOf(evaluation.grid);
  for (const some of Map.groupBy(places, ({ map }) => `${map.scope} ${map.type}`).values()) {
    const { map } = some[0]!;
    const { type } = map;
    let lastKey = "";
    const sql = prelude + mapCountsSql(some, KEPT_VALUES, evaluation.grid);
    await evaluation.run.chunks(sql, ({ rowCount, columns }) => {
      evaluation.budget.take(rowCount);
      for (let row = 0; row < rowCount; row++) {
        const [bucket, key] = [bucketOf(Number(columns[0]![row])), String(columns[1]![row])];
        const attribute = attributeOfMap(map, key);
        if (attribute === undefined) continue;
        const value =
          type === "json" ? elementOf(columns[2]![row]!) : labelValue(type, columns[2]![row]!);
        // Nested arrays and what has parts are no values to a query.
        if (value === undefined) continue;
        counts.addValue(attribute, value, bucket, countsOf(columns[3]![row]!, columns[4]![row]!));
        // Rows of one key and bucket come together, each with the key's totals.
        const id = `${bucket} ${key}`;
        if (id === lastKey) continue;
        lastKey = id;
        counts.addTotal(attribute, bucket, countsOf(columns[5]![row]!, columns[6]![row]!));
      }
    });
  }
}

/** Of an array of one element that element, as JSON; `nil` stands for other arrays. */
function elementOf(value: SqlValue): AnyValueLike | undefined {
  if (value === "nil") return NIL_VALUE;
  const array = decodeArray(String(value));
  return array !== undefined && "arrayValue" in array ? array.arrayValue.values[0] : undefined;
}

function countsOf(total: SqlValue, chosen: SqlValue): GroupCounts {
  const selection = Number(chosen);
  return { baseline: Number(total) - selection, selection };
}

/** `undefined` for a value of another type than the column has. */
function literalOf(type: LabelType, found: SqlValue): string | undefined {
  const value = labelValue(type, found);
  if (type === "string" && "stringValue" in value) return quoteLiteral(value.stringValue);
  if (type === "int" && "intValue" in value) return quoteLiteral(BigInt(value.intValue));
  if (type === "double" && "doubleValue" in value) return quoteLiteral(value.doubleValue);
  if (type === "bool" && "boolValue" in value) return quoteLiteral(value.boolValue);
  return undefined;
}
