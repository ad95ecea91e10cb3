import type { StructuralOp } from "../ast.ts";
import { descendantOperator } from "./spanset-descendants.ts";
import { type Ctes, type Operands, type Rows, readRows } from "./spanset-relation.ts";

/** How a left span `l` and a right span `r` of one spanset must be related for `r` to match. */
type Relation = {
  readonly on: readonly string[];
  /** Which spans can be an `l`, and an `r`: spans outside the tree relate to none. */
  readonly left: string;
  readonly right: string;
};

const CONNECTED = "nested_left > 0";
const HAS_PARENT = "nested_parent > 0";
const HAS_SIBLINGS = "nested_parent <> 0";

const RELATIONS: Readonly<Record<">" | "<" | "~", Relation>> = {
  ">": { on: ["l.nested_left = r.nested_parent"], left: CONNECTED, right: HAS_PARENT },
  "<": { on: ["l.nested_parent = r.nested_left"], left: HAS_PARENT, right: CONNECTED },
  // Roots have -1 and so are siblings of each other.
  "~": {
    on: ["l.nested_parent = r.nested_parent", "l.row_id <> r.row_id"],
    left: HAS_SIBLINGS,
    right: HAS_SIBLINGS,
  },
};

/**
 * A relation of the rows that `left op right` returns, each once. Cost: a hash join, twice that for
 * the union forms; linear in the rows, or n log n.
 */
export function structuralOperator(ctes: Ctes, op: StructuralOp, operands: Operands): Rows {
  const negated = op.startsWith("!");
  const union = op.startsWith("&");
  const plain = (negated || union ? op.slice(1) : op) as ">" | ">>" | "<" | "<<" | "~";
  if (plain === ">>" || plain === "<<") {
    return descendantOperator(ctes, plain, { negated, union }, operands);
  }
  const { left, right, keys, columns } = operands;
  const relation = RELATIONS[plain];
  const on = [...keys.map((key) => `l.${key} = r.${key}`), ...relation.on].join(" AND ");
  const compared = [...keys, "row_id", "nested_left", "nested_parent"];
  const of = (side: "l" | "r") => columns.map((column) => `${side}.${column}`).join(", ");
  // Only a negation returns spans outside the tree.
  let text = `SELECT ${of("r")} FROM (${readRows(ctes, right, columns, negated ? undefined : relation.right)}) AS r
    ${negated ? "ANTI" : "SEMI"} JOIN (${readRows(ctes, left, compared, relation.left)}) AS l ON ${on}`;
  if (union) {
    // A span may be on both sides.
    text += ` UNION SELECT ${of("l")} FROM (${readRows(ctes, left, columns, relation.left)}) AS l
    SEMI JOIN (${readRows(ctes, right, compared, relation.right)}) AS r ON ${on}`;
  }
  return { relation: ctes.add(text), condition: undefined };
}
