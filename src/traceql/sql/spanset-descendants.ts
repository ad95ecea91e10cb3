import { type Ctes, type Operands, type Rows, readRows } from "./spanset-relation.ts";

/**
 * A span lies below another one where its numbers lie within the other's. A hash join by trace
 * compares every pair of a trace's spans, which is the quickest way for the usual trace and takes
 * half a minute for one of 50 000 spans. From about this many numbers, two a span, a window over
 * the ordered spans costs less. (An ASOF join would, but becomes a nested loop where few rows are
 * estimated.)
 */
const WIDE_FROM = 512;

/** `>>` and `<<` with their negated and union forms, as `structuralOperator` says. */
export function descendantOperator(
  ctes: Ctes,
  op: ">>" | "<<",
  { negated, union }: { readonly negated: boolean; readonly union: boolean },
  { left, right, keys, columns }: Operands,
): Rows {
  const numbers = [...keys, "row_id", "nested_left", "nested_right"];
  const connected = "nested_left > 0";
  const l = ctes.add(readRows(ctes, left, union ? columns : numbers, connected));
  // Only a negation returns spans outside the tree.
  const r = ctes.add(readRows(ctes, right, columns, negated ? undefined : connected));
  let text = relatedRows(ctes, op, negated, r, l, keys, columns);
  if (union) {
    // A span may be on both sides.
    const inverse = op === ">>" ? "<<" : ">>";
    text = `(${text}) UNION (${relatedRows(ctes, inverse, false, l, r, keys, columns)})`;
  }
  return { relation: ctes.add(text), condition: undefined };
}

/** Rows of `wanted` that lie below (`>>`) or above (`<<`) some row of `others`; negated: no row. */
function relatedRows(
  ctes: Ctes,
  op: ">>" | "<<",
  negated: boolean,
  wanted: string,
  others: string,
  keys: readonly string[],
  columns: readonly string[],
): string {
  const shown = columns.map((column) => `w.${column}`).join(", ");
  const same = (other: string) => keys.map((key) => `w.${key} = ${other}.${key}`).join(" AND ");
  const wide = ctes.add(
    `SELECT DISTINCT ${keys.join(", ")} FROM ${ctes.read(others)} WHERE nested_left > ${WIDE_FROM}`,
  );
  const ofSets = (relation: string, join: "SEMI" | "ANTI") =>
    `(SELECT w.* FROM ${ctes.read(relation)} AS w ${join} JOIN ${ctes.read(wide)} AS b ON ${same("b")})`;
  const within =
    op === ">>"
      ? "o.nested_left < w.nested_left AND o.nested_right > w.nested_right"
      : "o.nested_left > w.nested_left AND o.nested_right < w.nested_right";
  const small = `SELECT ${shown} FROM ${ofSets(wanted, "ANTI")} AS w
    ${negated ? "ANTI" : "SEMI"} JOIN ${ctes.read(others)} AS o ON ${same("o")} AND ${within}`;
  const numbers = [...keys, "row_id", "nested_left", "nested_right"].join(", ");
  const both = `SELECT ${numbers}, TRUE AS is_wanted FROM ${ofSets(wanted, "SEMI")}
    UNION ALL SELECT ${numbers}, FALSE FROM ${ofSets(others, "SEMI")}`;
  // Intervals are apart or within each other. So one around `w` is there if any that begins before
  // it reaches beyond its end, and one inside it if the next that begins does so before its end.
  // A span on both sides stands as an other just before itself, where neither test counts it.
  const [bound, related] =
    op === ">>"
      ? ["max(nested_right) FILTER (NOT is_wanted) OVER before", "bound > nested_right"]
      : ["min(nested_left) FILTER (NOT is_wanted) OVER after", "bound < nested_right"];
  const frame =
    op === ">>"
      ? "before AS (in_order ROWS UNBOUNDED PRECEDING)"
      : "after AS (in_order ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)";
  const large = `SELECT ${shown} FROM ${ctes.read(wanted)} AS w SEMI JOIN (
      SELECT row_id FROM (
        SELECT row_id, is_wanted, nested_right, ${bound} AS bound FROM (${both})
        WINDOW in_order AS (PARTITION BY ${keys.join(", ")} ORDER BY nested_left, is_wanted), ${frame})
      WHERE is_wanted AND ${negated ? `(${related}) IS NOT TRUE` : related}) AS m ON w.row_id = m.row_id`;
  return `${small} UNION ALL ${large}`;
}
