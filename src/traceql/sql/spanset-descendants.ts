import { type Ctes, type Operands, type Rows, readRows } from "./spanset-relation.ts";

/**
 * A span lies below another one where its numbers lie within the other's. A hash join by trace
 * compares every pair of a trace's spans, which is the quickest way for the usual trace and takes
 * half a minute for one of 50 000 spans. From about this many numbers, two a span, an ordered join
 * costs less.
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
  const outer = negated ? "LEFT" : "";
  // Intervals are apart or within each other. So one around `w` is there if any that begins before
  // it reaches beyond its end, and one inside it if the next that begins does so before its end.
  const large =
    op === ">>"
      ? `SELECT ${shown} FROM ${ofSets(wanted, "SEMI")} AS w ASOF ${outer} JOIN (
        SELECT ${keys.join(", ")}, nested_left,
          max(nested_right) OVER (PARTITION BY ${keys.join(", ")} ORDER BY nested_left) AS reach
        FROM ${ofSets(others, "SEMI")}) AS o ON ${same("o")} AND w.nested_left > o.nested_left
      WHERE ${negated ? "o.reach IS NULL OR o.reach <= w.nested_right" : "o.reach > w.nested_right"}`
      : `SELECT ${shown} FROM ${ofSets(wanted, "SEMI")} AS w ASOF ${outer} JOIN ${ofSets(others, "SEMI")} AS o
      ON ${same("o")} AND w.nested_left < o.nested_left
      WHERE ${negated ? "o.nested_left IS NULL OR o.nested_left >= w.nested_right" : "o.nested_left < w.nested_right"}`;
  return `${small} UNION ALL ${large}`;
}
