import type { Pipeline, PipelineStage, ScalarNode, SpansetNode } from "../traceql/plan/pipeline.ts";
import { readsWholeTrace } from "../traceql/plan/plan-pipeline.ts";
import { fieldsOf, foldTree } from "../traceql/walk.ts";

type OpNode = SpansetNode & { readonly type: "op" };

/**
 * The tree of a pipeline that is nothing but filters joined by `&&` and `||`, each of which judges a
 * span by itself; `undefined` for all others.
 */
export function treeOfFilters({ stages, leaves }: Pipeline): SpansetNode | undefined {
  const [first] = stages;
  if (stages.length !== 1 || first?.type !== "spanset") return undefined;
  if (leaves.some((leaf) => fieldsOf(leaf).some(readsWholeTrace))) return undefined;
  const plain = foldTree<SpansetNode, boolean>(first.expr, operandsOf, (node, operands) => {
    if (node.type === "op") return isLogic(node) && operands.every((operand) => operand);
    return node.type === "leaf";
  });
  return plain ? first.expr : undefined;
}

/** SQL: does a trace satisfy a tree of filters, given for each leaf whether some span matches it. */
export function satisfiedSql(tree: SpansetNode, traceFlag: (leaf: number) => string): string {
  if (tree.type === "leaf") return traceFlag(tree.leaf);
  if (tree.type !== "op") throw new Error("a tree of filters holds a pipeline");
  const parts = chainOf(tree).map((operand) => satisfiedSql(operand, traceFlag));
  return `(${parts.join(tree.op === "&&" ? " AND " : " OR ")})`;
}

/** Whether some trace may be left by the stages, given which leaves have a match somewhere. */
export function maySatisfy(
  stages: readonly PipelineStage[],
  flag: (leaf: number) => boolean,
): boolean {
  return stages.every((stage) => stage.type !== "spanset" || mayHold(stage.expr, flag));
}

function mayHold(root: SpansetNode, flag: (leaf: number) => boolean): boolean {
  return foldTree<SpansetNode, boolean>(root, operandsOf, (node, operands) => {
    if (node.type === "leaf") return flag(node.leaf);
    if (node.type === "pipeline") return maySatisfy(node.stages, flag);
    const [left = false, right = false] = operands;
    if (node.op === "||") return left || right;
    // A negated operator gives all of its right side where the left one is empty.
    return node.op.startsWith("!") ? right : left && right;
  });
}

/** Leaves that must have a match in every trace of which the first stage leaves a span. */
export function requiredLeaves(stages: readonly PipelineStage[]): ReadonlySet<number> {
  const [first] = stages;
  if (first?.type !== "spanset") return new Set();
  return foldTree<SpansetNode, ReadonlySet<number>>(first.expr, operandsOf, (node, operands) => {
    if (node.type === "leaf") return new Set([node.leaf]);
    if (node.type === "pipeline") return requiredLeaves(node.stages);
    const [left = new Set<number>(), right = new Set<number>()] = operands;
    if (node.op === "||") return new Set([...left].filter((leaf) => right.has(leaf)));
    return node.op.startsWith("!") ? right : new Set([...left, ...right]);
  });
}

function operandsOf(node: SpansetNode): readonly SpansetNode[] {
  return node.type === "op" ? [node.left, node.right] : [];
}

function isLogic({ op }: OpNode): boolean {
  return op === "&&" || op === "||";
}

/** The operands of a chain of one operator: chains may be far longer than SQL may be deep. */
function chainOf(tree: OpNode): SpansetNode[] {
  const operands: SpansetNode[] = [];
  let node: SpansetNode = tree;
  while (node.type === "op" && node.op === tree.op) {
    operands.push(node.right);
    node = node.left;
  }
  operands.push(node);
  return operands.reverse();
}

/** Whether some stage gives another answer when a span is there twice. */
export function countsSpans(stages: readonly PipelineStage[]): boolean {
  return stages.some((stage) => {
    if (stage.type === "scalar-filter")
      return scalarCounts(stage.left) || scalarCounts(stage.right);
    return stage.type === "spanset" && spansetCounts(stage.expr);
  });
}

function spansetCounts(root: SpansetNode): boolean {
  return foldTree<SpansetNode, boolean>(root, operandsOf, (node, counts) =>
    node.type === "pipeline" ? countsSpans(node.stages) : counts.some((counting) => counting),
  );
}

function scalarCounts(root: ScalarNode): boolean {
  const operands = (node: ScalarNode) => (node.type === "op" ? [node.left, node.right] : []);
  return foldTree<ScalarNode, boolean>(root, operands, (node, counts) => {
    if (node.type === "pipeline" && countsSpans(node.stages)) return true;
    const aggregate = node.type === "pipeline" ? node.aggregate : node;
    if (aggregate.type === "aggregate") return aggregate.fn !== "min" && aggregate.fn !== "max";
    return counts.some((counting) => counting);
  });
}
