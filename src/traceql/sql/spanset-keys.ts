import { type Ctes, type Rows, readRows, type Spansets } from "./spanset-relation.ts";

/** The columns that rows of one spanset agree in, values of groups aside. */
export function keysOf({ key }: Spansets): string[] {
  return key === undefined ? ["trace_id"] : ["trace_id", key];
}

/** The columns that rows of `spansets` need on the way to what is `live`. */
export function columnsOf(spansets: Spansets, live: Iterable<string>): string[] {
  const columns = new Set(["trace_id", "row_id"]);
  if (spansets.key !== undefined) columns.add(spansets.key);
  for (const { column } of spansets.attributes) columns.add(column);
  for (const column of live) columns.add(column);
  return [...columns];
}

/** The same spansets, told apart by a column alone: the least row id of each. */
export function withKey(ctes: Ctes, spansets: Spansets, live: Iterable<string>): Spansets {
  const { groupedBy, rows } = spansets;
  if (groupedBy.length === 0) return spansets;
  const key = ctes.column("set");
  const keys = [...keysOf(spansets), ...groupedBy];
  const groups = ctes.add(
    `${readRows(ctes, rows, [...keys, `min(row_id) AS ${key}`])} GROUP BY ${keys.join(", ")}`,
  );
  const keyed = rowsInGroups(ctes, spansets, groups, [key], live);
  return { ...spansets, rows: keyed, key, groupedBy: [] };
}

/**
 * The rows of `spansets` whose spanset has a row in `groups`, a relation with the columns that
 * spansets are told apart by; `fromGroups` are further columns of it that the rows get.
 */
export function rowsInGroups(
  ctes: Ctes,
  spansets: Spansets,
  groups: string,
  fromGroups: readonly string[],
  live: Iterable<string>,
): Rows {
  const columns = columnsOf(spansets, live);
  const read = [...new Set([...columns, ...spansets.groupedBy])];
  const on = [
    ...keysOf(spansets).map((key) => `s.${key} = t.${key}`),
    ...spansets.groupedBy.map((value) => `s.${value} IS NOT DISTINCT FROM t.${value}`),
  ].join(" AND ");
  const shown = [
    ...columns.map((column) => `s.${column}`),
    ...fromGroups.map((column) => `t.${column}`),
  ].join(", ");
  const text = `SELECT ${shown} FROM (${readRows(ctes, spansets.rows, read)}) AS s
    ${fromGroups.length === 0 ? "SEMI JOIN" : "JOIN"} ${ctes.read(groups)} AS t ON ${on}`;
  return { relation: ctes.add(text), condition: undefined };
}
