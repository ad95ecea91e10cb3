import type { Pipeline, PipelineStage, SpansetNode } from "../../traceql/plan/pipeline.ts";

/** A condition on single spans, over the leaves of a pipeline. */
export type PlainCondition =
  | { readonly type: "leaf"; readonly leaf: number }
  | { readonly type: "all" | "any"; readonly parts: readonly PlainCondition[] };

/**
 * What a span must satisfy by itself to be among the results; undefined when that depends on other
 * spans of its trace. Groups alone change nothing: each span of each group is one observation.
 */
export function plainCondition(pipeline: Pick<Pipeline, "stages">): PlainCondition | undefined {
  return ofStages(pipeline.stages);
}

function ofStages(stages: readonly PipelineStage[]): PlainCondition | undefined {
  const parts: PlainCondition[] = [];
  for (const stage of stages) {
    if (stage.type === "scalar-filter") return undefined;
    if (stage.type !== "spanset") continue;
    const part = ofSpanset(stage.expr);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts.length === 1 ? parts[0] : { type: "all", parts };
}

function ofSpanset(expr: SpansetNode): PlainCondition | undefined {
  // Chains lean to the left and may be long.
  const parts: PlainCondition[] = [];
  let node = expr;
  for (;;) {
    if (node.type === "leaf") parts.push(node);
    else if (node.type === "pipeline") {
      const inner = ofStages(node.stages);
      if (inner === undefined) return undefined;
      parts.push(inner);
    } else {
      if (node.op !== "||") return undefined;
      const right = ofSpanset(node.right);
      if (right === undefined) return undefined;
      parts.push(right);
      node = node.left;
      continue;
    }
    return parts.length === 1 ? parts[0] : { type: "any", parts };
  }
}

/** What the SQL of a condition is that every span satisfies. */
export const EVERY_SPAN_SQL = "(TRUE)";

/** The condition as SQL over that of its leaves. */
export function conditionSql(condition: PlainCondition, leafSql: (leaf: number) => string): string {
  if (condition.type === "leaf") return `(${leafSql(condition.leaf)})`;
  if (condition.parts.length === 0) return "TRUE";
  const parts = condition.parts.map((part) => conditionSql(part, leafSql));
  return `(${parts.join(condition.type === "all" ? " AND " : " OR ")})`;
}

/** Whether the condition can hold where only some leaves can. */
export function conditionPossible(
  condition: PlainCondition,
  leafPossible: (leaf: number) => boolean,
): boolean {
  if (condition.type === "leaf") return leafPossible(condition.leaf);
  const { type, parts } = condition;
  return type === "all"
    ? parts.every((part) => conditionPossible(part, leafPossible))
    : parts.some((part) => conditionPossible(part, leafPossible));
}
