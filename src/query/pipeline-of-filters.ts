import type { FieldExpr } from "../traceql/ast.ts";
import type { Pipeline, SpansetNode } from "../traceql/plan/pipeline.ts";

/** Each of these filters, at least one, must match some span of a trace: `{…} && {…} && …`. */
export function pipelineOfFilters(leaves: readonly FieldExpr[]): Pipeline {
  let expr: SpansetNode = { type: "leaf", leaf: 0 };
  for (let leaf = 1; leaf < leaves.length; leaf++) {
    expr = { type: "op", op: "&&", left: expr, right: { type: "leaf", leaf } };
  }
  return {
    leaves,
    values: [],
    stages: [{ type: "spanset", expr }],
    seeds: leaves.map((_, leaf) => leaf),
    fields: [],
    needsWholeTraces: false,
    constantFalse: false,
  };
}
