import type { SegmentSummary } from "../../../schema/segment-meta.ts";
import { jsonArray } from "../../../traceql/sql/json-array.ts";
import { rawSql } from "../../../traceql/sql/sql.ts";
import type { MetricsGrid } from "../grid.ts";
import { type GridBuckets, gridBuckets } from "../grid-buckets.ts";
import type { RowSource } from "../row-sources.ts";
import { startInGridSql } from "../segments-in-grid.ts";
import type { CompareColumn, CompareMap } from "./compare-attributes.ts";

/** Rows of one layout, and which of them are the selection. */
export type CompareRows = {
  readonly source: RowSource;
  readonly segments: readonly SegmentSummary[];
  /** All spans of the segments start in the grid. Conditions that hold for all rows still cost. */
  readonly inside: boolean;
  /** A condition on a row, which may be NULL. */
  readonly selection: string;
};

/** Of segments that lie in the grid as a whole no row is asked whether it does. */
export function bucketsOf(grid: MetricsGrid): GridBuckets {
  return gridBuckets(grid, true);
}

/** Rows with their `bucket`, as `bucketsOf` codes it, and `selected`: those that start in the grid, and maybe others. */
function rowsSql(rows: CompareRows, grid: MetricsGrid): string {
  const { source, segments, inside, selection } = rows;
  const where = inside ? source.where : `${source.where} AND ${startInGridSql(grid)}`;
  return `(SELECT *, ${bucketsOf(grid).sql} AS bucket, coalesce(${selection}, FALSE) AS selected
    FROM ${source.from(segments, inside)} WHERE ${where})`;
}

/** `bucket` for GROUP BY, with a comma; nothing where there is but one. */
function groupBucket(grid: MetricsGrid): string {
  return grid.count === 1 ? "" : "bucket, ";
}

function shownBucket(grid: MetricsGrid): string {
  return grid.count === 1 ? "0" : "bucket";
}

/** The beginning of a WITH clause that goes on. */
function withClause(prelude: string): string {
  return prelude === "" ? "WITH" : `${prelude},`;
}

const BASELINE = "total - chosen";
const COUNTS = "count(*) AS total, count(*) FILTER (WHERE selected) AS chosen";

/**
 * Counts the values of the columns of all clusters. A result row has the bucket, then one column for
 * each, of which at most one is not NULL: the value that it counts; then the spans of both groups
 * together, and those of the selection.
 *
 * One scan groups the rows by all columns of a cluster at once, which costs little more than by one
 * of them while there are few combinations; then these groups are grouped by each column.
 */
export function columnCountsSql(
  prelude: string,
  rows: CompareRows,
  clusters: readonly (readonly CompareColumn[])[],
  grid: MetricsGrid,
): string {
  const bucket = groupBucket(grid);
  const columns = clusters.flat();
  const names = columns.map((_, i) => `c${i}`);
  const inner = columns.map(({ sql }, i) => `${sql} AS c${i}`);
  let next = 0;
  const members = clusters.map((cluster) => cluster.map(() => `c${next++}`));
  const firsts = members.map(([first]) => first);
  const sets = members.map((some) => `(${bucket}${some.join(", ")})`);
  // A bit for each cluster, that of the first the highest, set where it is not grouped by.
  const none = 2n ** BigInt(clusters.length) - 1n;
  const selects = members.map((some, k) => {
    const shown = names.map((name) => (some.includes(name) ? name : `NULL AS ${name}`));
    const each = some.map((name) => `(${bucket}${name})`);
    return `SELECT ${shownBucket(grid)} AS bucket, ${shown.join(", ")}, sum(total), sum(chosen)
      FROM combinations WHERE cluster = ${none - 2n ** BigInt(clusters.length - 1 - k)}
      GROUP BY GROUPING SETS (${each.join(", ")})`;
  });
  return `${withClause(prelude)} combinations AS MATERIALIZED (
      SELECT grouping(${firsts.join(", ")}) AS cluster, ${bucket}${names.join(", ")}, ${COUNTS}
      FROM (SELECT bucket, selected, ${inner.join(", ")} FROM ${rowsSql(rows, grid)})
      GROUP BY GROUPING SETS (${sets.join(", ")}))
    ${selects.join(" UNION ALL ")}`;
}

/** The same column of several layouts. */
export type ColumnPlace = { readonly rows: CompareRows; readonly column: CompareColumn };
/** The same of a map. */
export type MapPlace = { readonly rows: CompareRows; readonly map: CompareMap };

/**
 * The most frequent values of a column over all of the time, of both groups. Twice the first of an
 * order: to number the rows of two orders takes twice the time when there are many values.
 */
export function candidatesSql(
  prelude: string,
  places: readonly ColumnPlace[],
  limit: number,
  grid: MetricsGrid,
): string {
  const top = (count: string) =>
    `(SELECT value FROM counted ORDER BY ${count} DESC, CAST(value AS VARCHAR) LIMIT ${limit})`;
  return `${withClause(prelude)} counted AS MATERIALIZED (
      SELECT value, ${COUNTS} FROM (${valuesSql(places, grid)})
      WHERE value IS NOT NULL GROUP BY value)
    ${top(BASELINE)} UNION ${top("chosen")}`;
}

/** Counts these values of a column, quoted: bucket, value, and the counts of `columnCountsSql`. */
export function valueCountsSql(
  places: readonly ColumnPlace[],
  values: readonly string[],
  grid: MetricsGrid,
): string {
  return `SELECT ${shownBucket(grid)}, value, ${COUNTS} FROM (${valuesSql(places, grid)})
    WHERE value IN (${values.join(", ")}) GROUP BY ${groupBucket(grid)}value`;
}

function valuesSql(places: readonly ColumnPlace[], grid: MetricsGrid): string {
  return places
    .map(
      ({ rows, column }) =>
        `SELECT bucket, ${column.sql} AS value, selected FROM ${rowsSql(rows, grid)}`,
    )
    .join(" UNION ALL ");
}

/** Bucket, then for each column how many spans of both groups have it, and how many of the selection. */
export function totalsSql(
  rows: CompareRows,
  columns: readonly CompareColumn[],
  grid: MetricsGrid,
): string {
  const counts = columns.map(({ sql }) => `count(${sql}), count(${sql}) FILTER (WHERE selected)`);
  const groups = grid.count === 1 ? "" : "GROUP BY bucket";
  return `SELECT ${shownBucket(grid)}, ${counts.join(", ")} FROM ${rowsSql(rows, grid)} ${groups}`;
}

const IS_ARRAY = jsonArray(rawSql("entry.value")).array!.any.text;

function topSql(partition: string, limit: number): string {
  const rank = (count: string) =>
    `row_number() OVER (${partition} ORDER BY ${count} DESC, CAST(value AS VARCHAR)) <= ${limit}`;
  return `${rank(BASELINE)} OR ${rank("chosen")}`;
}

/**
 * The most frequent values of each key of overflow maps of one scope and type: `bucket`, `key`,
 * `value`, the counts, and those of the key. Arrays of one element are their JSON, others the value
 * `nil`; what else rests as JSON, be it a mixed array, is no value to a query and passed over.
 */
export function mapCountsSql(
  sources: readonly MapPlace[],
  limit: number,
  grid: MetricsGrid,
): string {
  const selects = sources.map(({ rows, map }) => {
    const value =
      map.type === "json"
        ? `CASE WHEN ${IS_ARRAY} THEN CASE json_array_length(entry.value, '$.arrayValue.values')
            WHEN 1 THEN entry.value ELSE 'nil' END END`
        : "entry.value";
    return `SELECT bucket, entry.key AS key, ${value} AS value, selected
      FROM (SELECT bucket, selected, unnest(map_entries(${map.sql})) AS entry
        FROM ${rowsSql(rows, grid)} WHERE ${map.sql} IS NOT NULL)`;
  });
  const grouped = `SELECT bucket, key, value, ${COUNTS}
    FROM (${selects.join(" UNION ALL ")}) WHERE value IS NOT NULL GROUP BY bucket, key, value`;
  const sums = (...names: string[]) =>
    names.map((name) => `CAST(sum(${name}) OVER (PARTITION BY bucket, key) AS BIGINT)`).join(", ");
  return `SELECT bucket, key, value, total, chosen, ${sums("total", "chosen")} FROM (${grouped})
    QUALIFY ${topSql("PARTITION BY bucket, key", limit)} ORDER BY bucket, key`;
}
