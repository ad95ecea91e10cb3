import type { StructuralOp } from "../ast.ts";
import { type Ctes, type Rows, whereSql } from "./spanset-relation.ts";

/** How a left span `l` and a right span `r` of one spanset must be related for `r` to match. */
type Relation = {
  readonly on: readonly string[];
  /** Which spans can be an `l`, and an `r`: those that are connected, or have what is compared. */
  readonly left: string;
  readonly right: string;
};

const CONNECTED = "nested_left > 0";
const HAS_PARENT = "nested_parent > 0";
const HAS_SIBLINGS = "nested_parent <> 0";

const RELATIONS: Readonly<Record<">" | "<" | ">>" | "<<" | "~", Relation>> = {
  ">": { on: ["l.nested_left = r.nested_parent"], left: CONNECTED, right: HAS_PARENT },
  "<": { on: ["l.nested_parent = r.nested_left"], left: HAS_PARENT, right: CONNECTED },
  ">>": {
    on: ["l.nested_left < r.nested_left", "l.nested_right > r.nested_right"],
    left: CONNECTED,
    right: CONNECTED,
  },
  "<<": {
    on: ["l.nested_left > r.nested_left", "l.nested_right < r.nested_right"],
    left: CONNECTED,
    right: CONNECTED,
  },
  // Roots have -1 and so are siblings of each other.
  "~": {
    on: ["l.nested_parent = r.nested_parent", "l.row_id <> r.row_id"],
    left: HAS_SIBLINGS,
    right: HAS_SIBLINGS,
  },
};

/**
 * A relation with `columns` of the rows that `left op right` returns, each row once. `keys` are the
 * columns that rows of one spanset agree in. Cost: a hash join on those and, but for `>>` and `<<`,
 * on the tree's numbers; those two compare within a trace.
 */
export function structuralOperator(
  ctes: Ctes,
  op: StructuralOp,
  left: Rows,
  right: Rows,
  keys: readonly string[],
  columns: readonly string[],
): Rows {
  const negated = op.startsWith("!");
  const union = op.startsWith("&");
  const plain = (negated || union ? op.slice(1) : op) as keyof typeof RELATIONS;
  const relation = RELATIONS[plain];
  const on = [...keys.map((key) => `l.${key} = r.${key}`), ...relation.on].join(" AND ");
  const read = (rows: Rows, needed: readonly string[], condition: string | undefined): string =>
    `(SELECT ${needed.join(", ")} FROM ${ctes.read(rows.relation)}${whereSql(rows.condition, condition)})`;
  const compared = [
    ...new Set([...keys, "row_id", "nested_left", "nested_right", "nested_parent"]),
  ];
  const of = (side: "l" | "r") => columns.map((column) => `${side}.${column}`).join(", ");
  // Spans outside the tree relate to none: only a negation returns them.
  let text = `SELECT ${of("r")} FROM ${read(right, columns, negated ? undefined : relation.right)} AS r
    ${negated ? "ANTI" : "SEMI"} JOIN ${read(left, compared, relation.left)} AS l ON ${on}`;
  if (union) {
    // A span may be on both sides.
    text += ` UNION SELECT ${of("l")} FROM ${read(left, columns, relation.left)} AS l
    SEMI JOIN ${read(right, compared, relation.right)} AS r ON ${on}`;
  }
  return { relation: ctes.add(text), condition: undefined };
}
