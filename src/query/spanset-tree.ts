/** Which filters (by number) a trace must match: the spanset operators between them. */
export type SpansetTree =
  | { readonly type: "leaf"; readonly index: number }
  | { readonly type: "and" | "or"; readonly left: SpansetTree; readonly right: SpansetTree };

/** SQL: does a trace satisfy the tree, given for each leaf whether some span of it matches. */
export function satisfiedSql(tree: SpansetTree, traceFlag: (leaf: number) => string): string {
  if (tree.type === "leaf") return traceFlag(tree.index);
  const operator = tree.type === "and" ? "AND" : "OR";
  return `(${satisfiedSql(tree.left, traceFlag)} ${operator} ${satisfiedSql(tree.right, traceFlag)})`;
}

/**
 * SQL: is a span part of the result. It is when it matches a leaf and the trace satisfies every
 * `&&` above that leaf: `({a} && {b}) || {c}` returns no `a` span where there is no `b`.
 */
export function contributesSql(
  tree: SpansetTree,
  spanFlag: (leaf: number) => string,
  traceFlag: (leaf: number) => string,
): string {
  switch (tree.type) {
    case "leaf":
      return spanFlag(tree.index);
    case "or":
      return `(${contributesSql(tree.left, spanFlag, traceFlag)} OR ${contributesSql(tree.right, spanFlag, traceFlag)})`;
    case "and":
      return `(${satisfiedSql(tree, traceFlag)} AND (${contributesSql(tree.left, spanFlag, traceFlag)} OR ${contributesSql(tree.right, spanFlag, traceFlag)}))`;
    default:
      return tree satisfies never;
  }
}
