import {
  type Ctes,
  narrowed,
  type Operands,
  type Rows,
  readRows,
  whereSql,
} from "./spanset-relation.ts";

/** Filters of one input joined by `&&` and `||`; a chain of one operator is one node. */
export type LeafTree =
  | { readonly type: "leaf"; readonly leaf: number }
  | { readonly type: "and" | "or"; readonly parts: readonly LeafTree[] };

export function joinTrees(op: "&&" | "||", left: LeafTree, right: LeafTree): LeafTree {
  const type = op === "&&" ? "and" : "or";
  const partsOf = (tree: LeafTree) => (tree.type === type ? tree.parts : [tree]);
  return { type, parts: [...partsOf(left), ...partsOf(right)] };
}

/**
 * The rows of `input` that the tree returns: those that match a leaf whose every `&&` above holds
 * in their spanset. Cost: nothing without `&&`, else one GROUP BY and one join by `keys`.
 */
export function logicRows(
  ctes: Ctes,
  tree: LeafTree,
  input: Rows,
  keys: readonly string[],
  columns: readonly string[],
): Rows {
  if (!hasAnd(tree)) return narrowed(input, rowMatches(tree));
  const on = keys.map((key) => `s.${key} = t.${key}`).join(" AND ");
  const rows = (condition: string) =>
    `FROM (SELECT ${columnsWith(tree, columns)} FROM ${ctes.read(input.relation)}${whereSql(input.condition, condition)}) AS s`;
  const shown = columns.map((column) => `s.${column}`).join(", ");
  const some = someLeaf(tree);
  if (tree.type === "and" && tree.parts.every((part) => !hasAnd(part))) {
    // Every leaf's rows are in the result wherever the whole holds.
    const passing = passingSets(ctes, tree, input, keys, []);
    const text = `SELECT ${shown} ${rows(some)} SEMI JOIN ${ctes.read(passing)} AS t ON ${on}`;
    return { relation: ctes.add(text), condition: undefined };
  }
  const flags = leavesOf(tree).map((leaf) => `bool_or(leaf${leaf}) AS some_leaf${leaf}`);
  const passing = passingSets(ctes, tree, input, keys, flags);
  const text = `SELECT ${shown} ${rows(some)} JOIN ${ctes.read(passing)} AS t ON ${on}
    WHERE ${rowMatches(tree)}`;
  return { relation: ctes.add(text), condition: undefined };
}

/**
 * What `&&` or `||` of any two operands returns, each row once; when `some` will do, at least one of
 * each spanset. Cost: two joins by `keys` and a GROUP BY of the rows.
 */
export function logicOperator(
  ctes: Ctes,
  op: "&&" | "||",
  { left, right, keys, columns }: Operands,
  some: boolean,
): Rows {
  const on = keys.map((key) => `s.${key} = t.${key}`).join(" AND ");
  const shown = columns.map((column) => `s.${column}`).join(", ");
  const whereBoth = (mine: Rows, other: Rows) =>
    `SELECT ${shown} FROM (${readRows(ctes, mine, columns)}) AS s
    SEMI JOIN (${readRows(ctes, other, keys)}) AS t ON ${on}`;
  let text: string;
  if (op === "&&") {
    text = whereBoth(left, right);
    if (!some) text += ` UNION ${whereBoth(right, left)}`;
  } else {
    const union = some ? "UNION ALL" : "UNION";
    text = `${readRows(ctes, left, columns)} ${union} ${readRows(ctes, right, columns)}`;
  }
  return { relation: ctes.add(text), condition: undefined };
}

/** One row, with `keys` and `extra`, for each spanset of `input` of which the tree returns a row. */
export function passingSets(
  ctes: Ctes,
  tree: LeafTree,
  input: Rows,
  keys: readonly string[],
  extra: readonly string[],
): string {
  return ctes.add(
    `SELECT ${[...keys, ...extra].join(", ")} FROM ${ctes.read(input.relation)}${whereSql(input.condition, someLeaf(tree))}
    GROUP BY ${keys.join(", ")} HAVING ${setMatches(tree, (leaf) => `bool_or(leaf${leaf})`)}`,
  );
}

export function hasAnd(tree: LeafTree): boolean {
  return tree.type === "and" || (tree.type === "or" && tree.parts.some(hasAnd));
}

function columnsWith(tree: LeafTree, columns: readonly string[]): string {
  return [...new Set([...columns, ...leavesOf(tree).map((leaf) => `leaf${leaf}`)])].join(", ");
}

function leavesOf(tree: LeafTree): number[] {
  if (tree.type === "leaf") return [tree.leaf];
  return [...new Set(tree.parts.flatMap(leavesOf))];
}

function someLeaf(tree: LeafTree): string {
  return `(${leavesOf(tree)
    .map((leaf) => `leaf${leaf}`)
    .join(" OR ")})`;
}

function setMatches(tree: LeafTree, flag: (leaf: number) => string): string {
  if (tree.type === "leaf") return flag(tree.leaf);
  const parts = tree.parts.map((part) => setMatches(part, flag));
  return `(${parts.join(tree.type === "and" ? " AND " : " OR ")})`;
}

function rowMatches(tree: LeafTree): string {
  if (tree.type === "leaf") return `leaf${tree.leaf}`;
  const some = `(${tree.parts.map(rowMatches).join(" OR ")})`;
  if (tree.type === "or") return some;
  return `(${setMatches(tree, (leaf) => `some_leaf${leaf}`)} AND ${some})`;
}
