import type {
  Aggregate,
  Query,
  ScalarExpr,
  ScalarFilter,
  SpansetExpr,
  SpansetOp,
  Stage,
} from "../ast.ts";
import { printAggregate, printStage } from "../print.ts";
import { notSupportedYet, TraceQLError } from "../traceql-error.ts";
import { fieldsOf, foldScalar, foldSpanset } from "../walk.ts";
import { checkField, checkFieldRef, checkFilter, shown } from "./field.ts";
import { checkMetrics, checkSecondStages } from "./metrics.ts";
import { isNumericType } from "./types.ts";

/** Operators within each other on one side of a scalar filter: SQL is nested as deeply. */
const MAX_SCALAR_DEPTH = 48;

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
    else if (!isLogic(node.op) && (holdsSeveral(node.left) || holdsSeveral(node.right))) {
      throw new TraceQLError(
        `${node.op} needs one spanset on each side, add | coalesce() after by(): ${clipped(printStage(node))}`,
      );
    }
  });
}

function isLogic(op: SpansetOp): boolean {
  return op === "&&" || op === "||";
}

/** Whether a trace may have several spansets there: operators give one, groups stay apart. */
function holdsSeveral(expr: SpansetExpr): boolean {
  if (expr.type !== "pipeline") return false;
  let several = false;
  for (const stage of expr.stages) {
    if (stage.type === "group") several = true;
    else if (stage.type === "coalesce") several = false;
    else if (stage.type === "pipeline") several ||= holdsSeveral(stage);
  }
  return several;
}

/** A filter of literals alone, `4 < 5`, says nothing about spans. */
function checkScalarFilter(stage: ScalarFilter): void {
  const left = checkScalar(stage.left);
  const right = checkScalar(stage.right);
  if (!left && !right) {
    throw notSupportedYet(
      `scalar filter with no aggregate on either side, ${clipped(printStage(stage))},`,
    );
  }
}

function clipped(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** Whether `expr` holds an aggregate. */
function checkScalar(expr: ScalarExpr): boolean {
  const depth = foldScalar<number>(expr, (_, depths) => 1 + Math.max(0, ...depths));
  if (depth > MAX_SCALAR_DEPTH) {
    throw new TraceQLError(
      `scalar expression nested too deeply: ${depth} levels, the limit is ${MAX_SCALAR_DEPTH}`,
    );
  }
  return foldScalar<boolean>(expr, (node, results) => {
    switch (node.type) {
      case "aggregate":
        checkAggregate(node);
        return true;
      case "scalar-pipeline":
        checkStages(node.stages);
        checkAggregate(node.aggregate);
        return true;
      case "scalar-static":
        return false;
      case "scalar-op":
        return results.some((found) => found);
      default:
        return node satisfies never;
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
