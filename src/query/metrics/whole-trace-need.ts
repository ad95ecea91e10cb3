import type { FieldExpr, FieldRef } from "../../traceql/ast.ts";
import { readsWholeTrace } from "../../traceql/plan/plan-pipeline.ts";
import { isRootTest } from "../../traceql/plan/root-test.ts";
import { foldField } from "../../traceql/walk.ts";

/**
 * What of a condition on a span, or of a label, may differ where only a part of the trace is seen.
 * `roots`: no more than whether a span is a root, which hardly ever differs (`split-triples.ts`);
 * that test comes with every query of Grafana's trace explorer.
 */
export type WholeTraceNeed = "nothing" | "roots" | "more";

export function wholeTraceNeed(
  conditions: readonly FieldExpr[],
  labels: readonly FieldRef[],
): WholeTraceNeed {
  if (labels.some(readsWholeTrace)) return "more";
  return conditions.map(needOf).reduce(larger, "nothing");
}

function needOf(condition: FieldExpr): WholeTraceNeed {
  return foldField<WholeTraceNeed>(condition, (node, results) => {
    if (node.type === "field") return readsWholeTrace(node.field) ? "more" : "nothing";
    return isRootTest(node) ? "roots" : results.reduce(larger, "nothing");
  });
}

const NEEDS: readonly WholeTraceNeed[] = ["nothing", "roots", "more"];

function larger(a: WholeTraceNeed, b: WholeTraceNeed): WholeTraceNeed {
  return NEEDS.indexOf(a) > NEEDS.indexOf(b) ? a : b;
}
