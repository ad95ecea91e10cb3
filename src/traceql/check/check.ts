import type { Aggregate, Query, ScalarExpr, ScalarFilter, SpansetExpr, Stage } from "../ast.ts";
import { printAggregate, printStage } from "../print.ts";
import { notSupportedYet, TraceQLError } from "../traceql-error.ts";
import { fieldsOf, foldScalar, foldSpanset } from "../walk.ts";
import { checkField, checkFieldRef, checkFilter, shown } from "./field.ts";
import { checkMetrics, checkSecondStages } from "./metrics.ts";
import { isNumericType } from "./types.ts";

/**
 * Throws for a query that parses but means nothing: `TraceQLError` where types, regular expressions
 * or arguments are wrong, kind `unsupported` where the language itself has not defined a meaning
 * yet. The whole language is checked, whatever the planner can do with it.
 */
export function checkQuery(query: Query): void {
  checkStages(query.stages);
  if (query.metrics !== undefined) {
    checkMetrics(query.metrics);
    checkSecondStages(query.metrics, query.second);
  }
}

function checkStages(stages: readonly Stage[]): void {
  for (const stage of stages) checkStage(stage);
}

function checkStage(stage: Stage): void {
  switch (stage.type) {
    case "filter":
    case "spanset-op":
    case "pipeline":
      checkSpanset(stage);
      return;
    case "scalar-filter":
      checkScalarFilter(stage);
      return;
    case "group":
      checkField(stage.by);
      if (fieldsOf(stage.by).length === 0) {
        throw new TraceQLError(
          `grouping expressions must reference the span: ${clipped(printStage(stage))}`,
        );
      }
      return;
    case "select":
      for (const field of stage.fields) checkFieldRef(field);
      return;
    case "coalesce":
      return;
    default:
      stage satisfies never;
  }
}

function checkSpanset(expr: SpansetExpr): void {
  foldSpanset<void>(expr, (node) => {
    if (node.type === "filter") checkFilter(node.expr);
    else if (node.type === "pipeline") checkStages(node.stages);
  });
}

function checkScalarFilter(stage: ScalarFilter): void {
  checkScalar(stage.left);
  checkScalar(stage.right);
  if (stage.left.type !== "aggregate") {
    throw notSupportedYet(
      `scalar filter whose left side is not one aggregate, ${clipped(printStage(stage))},`,
    );
  }
  if (stage.right.type !== "scalar-static") {
    throw notSupportedYet(
      `scalar filter whose right side is not a literal, ${clipped(printStage(stage))},`,
    );
  }
}

function clipped(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function checkScalar(expr: ScalarExpr): void {
  foldScalar<void>(expr, (node) => {
    if (node.type === "aggregate") checkAggregate(node);
    if (node.type === "scalar-pipeline") {
      checkStages(node.stages);
      checkAggregate(node.aggregate);
    }
  });
}

function checkAggregate(aggregate: Aggregate): void {
  if (aggregate.expr === undefined) return;
  const type = checkField(aggregate.expr);
  if (!isNumericType(type) && type !== "attribute") {
    throw new TraceQLError(
      `aggregate expressions must be numeric, not ${type}: ${clipped(printAggregate(aggregate))}`,
    );
  }
  if (fieldsOf(aggregate.expr).length === 0) {
    throw new TraceQLError(
      `aggregate expressions must reference the span: ${aggregate.fn}(${shown(aggregate.expr)})`,
    );
  }
}
