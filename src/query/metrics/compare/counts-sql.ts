import type { SegmentMeta } from "../../../schema/segment-meta.ts";
import type { MetricsGrid } from "../grid.ts";
import { bucketSql } from "../observation-sql.ts";
import type { RowSource } from "../row-sources.ts";
import { startInGridSql } from "../segments-in-grid.ts";
import type { CompareColumn, CompareMap } from "./compare-attributes.ts";

/** Rows of one layout, and which of them are the selection. */
export type CompareRows = {
  readonly source: RowSource;
  readonly segments: readonly SegmentMeta[];
  /** A condition on a row, which may be NULL. */
  readonly selection: string;
};

/** Rows that start in the grid with their `bucket`, and `selected`. */
function rowsSql({ source, segments, selection }: CompareRows, grid: MetricsGrid): string {
  const where = `${source.where} AND ${startInGridSql(grid)}`;
  return `(SELECT *, ${bucketSql(grid)} AS bucket, coalesce(${selection}, FALSE) AS selected
    FROM ${source.from(segments)} WHERE ${where})`;
}

export type Counting = {
  readonly column: CompareColumn;
  /** Count only these values, quoted; absent: all. */
  readonly only?: readonly string[];
  /** Count only whether there is a value. */
  readonly presence: boolean;
};

const COUNTS = "count(*), count(*) FILTER (WHERE selected)";

/**
 * Counts values of many columns in one pass over the rows. A result row has the bucket, then one
 * column for each counting, of which exactly one is not NULL where the row counts (TRUE for
 * presence), then the spans of both groups together, and those of the selection.
 */
export function columnCountsSql(
  rows: CompareRows,
  countings: readonly Counting[],
  grid: MetricsGrid,
): string {
  const inner = countings.map(({ column, only, presence }, i) => {
    if (presence) return `(${column.sql} IS NOT NULL) AS c${i}`;
    if (only === undefined) return `${column.sql} AS c${i}`;
    return `CASE WHEN ${column.sql} IN (${only.join(", ")}) THEN ${column.sql} END AS c${i}`;
  });
  const names = countings.map((_, i) => `c${i}`);
  // By a single column the database groups much faster than by two.
  const set = (name: string) => (grid.count === 1 ? `(${name})` : `(bucket, ${name})`);
  const bucket = grid.count === 1 ? "0" : "bucket";
  return `SELECT ${bucket}, ${names.join(", ")}, ${COUNTS}
    FROM (SELECT bucket, selected, ${inner.join(", ")} FROM ${rowsSql(rows, grid)})
    GROUP BY GROUPING SETS (${names.map(set).join(", ")})`;
}

/**
 * The most frequent values of one expression, over all the rows, as `value` and the counts of
 * `columnCountsSql`.
 */
export function topValuesSql(
  sources: readonly { readonly rows: CompareRows; readonly value: string }[],
  limit: number,
  grid: MetricsGrid,
): string {
  const selects = sources.map(
    ({ rows, value }) => `SELECT ${value} AS value, selected FROM ${rowsSql(rows, grid)}`,
  );
  return `SELECT value, total, chosen FROM (
      SELECT value, count(*) AS total, count(*) FILTER (WHERE selected) AS chosen
      FROM (${selects.join(" UNION ALL ")}) WHERE value IS NOT NULL GROUP BY value)
    QUALIFY ${topSql("", limit)}`;
}

function topSql(partition: string, limit: number): string {
  const rank = (count: string) =>
    `row_number() OVER (${partition} ORDER BY ${count} DESC, CAST(value AS VARCHAR)) <= ${limit}`;
  return `${rank("total - chosen")} OR ${rank("chosen")}`;
}

/**
 * The most frequent values of each key of overflow maps of one scope and type: `bucket`, `key`,
 * `value`, the counts, and those of the key. Arrays are the value `nil`, other JSON is passed over.
 */
export function mapCountsSql(
  sources: readonly { readonly rows: CompareRows; readonly map: CompareMap }[],
  limit: number,
  grid: MetricsGrid,
): string {
  const selects = sources.map(({ rows, map }) => {
    const value =
      map.type === "json"
        ? "CASE WHEN json_type(entry.value, '$.arrayValue') = 'OBJECT' THEN 'nil' END"
        : "entry.value";
    return `SELECT bucket, entry.key AS key, ${value} AS value, selected
      FROM (SELECT bucket, selected, unnest(map_entries(${map.sql})) AS entry
        FROM ${rowsSql(rows, grid)} WHERE ${map.sql} IS NOT NULL)`;
  });
  const grouped = `SELECT bucket, key, value, count(*) AS total,
      count(*) FILTER (WHERE selected) AS chosen
    FROM (${selects.join(" UNION ALL ")}) WHERE value IS NOT NULL GROUP BY bucket, key, value`;
  const sums = (...names: string[]) =>
    names.map((name) => `CAST(sum(${name}) OVER (PARTITION BY bucket, key) AS BIGINT)`).join(", ");
  return `SELECT bucket, key, value, total, chosen, ${sums("total", "chosen")} FROM (${grouped})
    QUALIFY ${topSql("PARTITION BY bucket, key", limit)} ORDER BY bucket, key`;
}
