import type { FieldExpr, FieldRef } from "../../traceql/ast.ts";
import { readsWholeTrace } from "../../traceql/plan/plan-pipeline.ts";
import { foldField } from "../../traceql/walk.ts";

/**
 * Whether a condition on a span, or a label, may differ where only a part of the trace is seen.
 * `nestedSetParent < 0` is taken not to: it asks for root spans, which are so by themselves, except
 * in a trace that lies in several segments and has three spans of one id. That test comes with every
 * query of Grafana's trace explorer.
 */
export function needsWholeTraces(
  conditions: readonly FieldExpr[],
  labels: readonly FieldRef[],
): boolean {
  return labels.some(readsWholeTrace) || conditions.some(conditionNeeds);
}

function conditionNeeds(condition: FieldExpr): boolean {
  return foldField<boolean>(condition, (node, results) => {
    if (node.type === "field") return readsWholeTrace(node.field);
    return !isRootTest(node) && results.includes(true);
  });
}

function isRootTest(node: FieldExpr): boolean {
  if (node.type !== "binary" || node.op !== "<") return false;
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
