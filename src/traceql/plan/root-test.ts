import type { FieldExpr } from "../ast.ts";

/**
 * `nestedSetParent < 0`, as Grafana asks for root spans, or its opposite: a span without a parent
 * passes it unless its trace has no numbers.
 */
export function isRootTest(node: FieldExpr): boolean {
  if (node.type !== "binary" || (node.op !== "<" && node.op !== ">=")) return false;
  const { left, right } = node;
  return (
    left.type === "field" &&
    left.field.type === "intrinsic" &&
    left.field.name === "nestedSetParent" &&
    right.type === "static" &&
    right.value.type === "int" &&
    right.value.value === 0n
  );
}
