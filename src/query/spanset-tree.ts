import type { SearchTree } from "../traceql/plan/search-plan.ts";

/** Whether the tree holds, given which leaves do. */
export function satisfied(tree: SearchTree, flag: (leaf: number) => boolean): boolean {
  if (tree.type === "leaf") return flag(tree.index);
  const parts = operandsOf(tree);
  return tree.type === "and"
    ? parts.every((operand) => satisfied(operand, flag))
    : parts.some((operand) => satisfied(operand, flag));
}

/** SQL: does a trace satisfy the tree, given for each leaf whether some span of it matches. */
export function satisfiedSql(tree: SearchTree, traceFlag: (leaf: number) => string): string {
  if (tree.type === "leaf") return traceFlag(tree.index);
  const parts = operandsOf(tree).map((operand) => satisfiedSql(operand, traceFlag));
  return `(${parts.join(tree.type === "and" ? " AND " : " OR ")})`;
}

/**
 * SQL: is a span part of the result. It is when it matches a leaf and the trace satisfies every
 * `&&` above that leaf: `({a} && {b}) || {c}` returns no `a` span where there is no `b`.
 */
export function contributesSql(
  tree: SearchTree,
  spanFlag: (leaf: number) => string,
  traceFlag: (leaf: number) => string,
): string {
  if (tree.type === "leaf") return spanFlag(tree.index);
  const parts = operandsOf(tree).map((operand) => contributesSql(operand, spanFlag, traceFlag));
  const some = `(${parts.join(" OR ")})`;
  return tree.type === "or" ? some : `(${satisfiedSql(tree, traceFlag)} AND ${some})`;
}

/** The operands of a chain of one operator: chains may be far longer than SQL may be deep. */
function operandsOf(tree: Exclude<SearchTree, { type: "leaf" }>): SearchTree[] {
  const operands: SearchTree[] = [];
  let node: SearchTree = tree;
  while (node.type === tree.type) {
    operands.push(node.right);
    node = node.left;
  }
  operands.push(node);
  return operands.reverse();
}
