import type { PipelineStage, ScalarNode, SpansetNode } from "../plan/pipeline.ts";
import { foldTree } from "../walk.ts";
import { joinTrees, type LeafTree } from "./spanset-logic.ts";
import { scalarParts } from "./spanset-scalar.ts";

export const TREE_COLUMNS = ["nested_left", "nested_right", "nested_parent"] as const;

export function childrenOf(node: SpansetNode): readonly SpansetNode[] {
  return node.type === "op" ? [node.left, node.right] : [];
}

/** The expression as filters and logic alone; undefined when it has anything else. */
export function leafTree(expr: SpansetNode): LeafTree | undefined {
  return foldTree<SpansetNode, LeafTree | undefined>(expr, childrenOf, (node, results) => {
    if (node.type === "leaf") return node;
    if (node.type === "pipeline" || (node.op !== "&&" && node.op !== "||")) return undefined;
    const [left, right] = results;
    return left === undefined || right === undefined ? undefined : joinTrees(node.op, left, right);
  });
}

export function hasStructure(expr: SpansetNode): boolean {
  return foldTree<SpansetNode, boolean>(
    expr,
    childrenOf,
    (node, results) =>
      results.some((found) => found) ||
      (node.type === "op" && node.op !== "&&" && node.op !== "||"),
  );
}

/** Adds the columns of the base that the stages read. */
export function addColumnsOf(stages: readonly PipelineStage[], columns: Set<string>): void {
  const scalar = (expr: ScalarNode): void => {
    for (const part of scalarParts(expr)) {
      const aggregate = part.type === "pipeline" ? part.aggregate : part;
      if (aggregate.type === "aggregate" && aggregate.value !== undefined) {
        columns.add(`value${aggregate.value}`);
      }
      if (part.type === "pipeline") addColumnsOf(part.stages, columns);
    }
  };
  for (const stage of stages) {
    switch (stage.type) {
      case "spanset":
        foldTree<SpansetNode, void>(stage.expr, childrenOf, (node) => {
          if (node.type === "leaf") columns.add(`leaf${node.leaf}`);
          else if (node.type === "pipeline") addColumnsOf(node.stages, columns);
        });
        if (hasStructure(stage.expr)) for (const column of TREE_COLUMNS) columns.add(column);
        break;
      case "group":
        columns.add(`value${stage.value}`);
        break;
      case "scalar-filter":
        scalar(stage.left);
        scalar(stage.right);
        break;
      case "coalesce":
        break;
      default:
        stage satisfies never;
    }
  }
}
