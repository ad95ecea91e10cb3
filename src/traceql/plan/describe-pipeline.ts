import { printField, printStatic } from "../print.ts";
import type { Pipeline, PipelineStage, ScalarNode, SpansetNode } from "./pipeline.ts";

/** A query within the bounds of its size may still print longer than anyone reads. */
const MAX_LINES = 500;
const MAX_LINE_CHARS = 500;

/**
 * The plan as indented lines, for people: what is asked of single spans comes first, then the
 * stages, which speak of the answers by number (`filter 0`, `value 1`).
 */
export function describePipeline(pipeline: Pipeline): string[] {
  const { leaves, values, stages, needsWholeTraces, constantFalse } = pipeline;
  if (constantFalse) return ["false for all data: nothing is read"];
  const lines = [
    ...leaves.map((leaf, i) => `filter ${i}: { ${printField(leaf)} }`),
    ...values.map((value, i) => `value ${i}: ${printField(value)}`),
    needsWholeTraces
      ? "traces that lie in several segments are put together first"
      : "traces need not be put together: sets of spans decide",
  ];
  addStages(stages, "", lines);
  const clipped = lines.slice(0, MAX_LINES).map((line) => line.slice(0, MAX_LINE_CHARS));
  if (lines.length > MAX_LINES) clipped.push(`… and ${lines.length - MAX_LINES} lines more`);
  return clipped;
}

function addStages(stages: readonly PipelineStage[], indent: string, lines: string[]): void {
  for (const stage of stages) {
    switch (stage.type) {
      case "spanset":
        lines.push(`${indent}keep the spans of`);
        addSpanset(stage.expr, `${indent}  `, lines);
        break;
      case "group":
        lines.push(`${indent}split by value ${stage.value} as ${stage.name}`);
        break;
      case "coalesce":
        lines.push(`${indent}join the spansets`);
        break;
      case "scalar-filter": {
        const [left, right] = [scalarText(stage.left), scalarText(stage.right)];
        lines.push(`${indent}keep the spansets where ${left} ${stage.op} ${right}`);
        for (const side of [stage.left, stage.right]) addScalarPipelines(side, indent, lines);
        break;
      }
      default:
        stage satisfies never;
    }
  }
}

/** Prefix notation, so that a chain of one operator, however long, is as deep as one. */
function addSpanset(expr: SpansetNode, indent: string, lines: string[]): void {
  switch (expr.type) {
    case "leaf":
      lines.push(`${indent}filter ${expr.leaf}`);
      return;
    case "pipeline":
      lines.push(`${indent}pipeline`);
      addStages(expr.stages, `${indent}  `, lines);
      return;
    case "op": {
      const operands: SpansetNode[] = [];
      let node: SpansetNode = expr;
      while (node.type === "op" && node.op === expr.op) {
        operands.push(node.right);
        node = node.left;
      }
      operands.push(node);
      lines.push(`${indent}${expr.op}`);
      for (const operand of operands.reverse()) addSpanset(operand, `${indent}  `, lines);
      return;
    }
    default:
      expr satisfies never;
  }
}

function scalarText(scalar: ScalarNode): string {
  switch (scalar.type) {
    case "aggregate":
      return scalar.name;
    case "static":
      return printStatic(scalar.value);
    case "op":
      return `(${scalarText(scalar.left)} ${scalar.op} ${scalarText(scalar.right)})`;
    case "pipeline":
      return `(pipeline | ${scalar.aggregate.name})`;
    default:
      return scalar satisfies never;
  }
}

function addScalarPipelines(scalar: ScalarNode, indent: string, lines: string[]): void {
  if (scalar.type === "op") {
    addScalarPipelines(scalar.left, indent, lines);
    addScalarPipelines(scalar.right, indent, lines);
  } else if (scalar.type === "pipeline") {
    lines.push(`${indent}  pipeline`);
    addStages(scalar.stages, `${indent}    `, lines);
  }
}
