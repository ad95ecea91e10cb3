import { RE2JS } from "re2js";
import type {
  BinaryOp,
  FieldExpr,
  FieldRef,
  Query,
  ScalarExpr,
  SpansetExpr,
  Stage,
} from "../../../src/traceql/ast.ts";
import { mentioned } from "./search.ts";

type Type = "attribute" | "bool" | "string" | "status" | "kind" | "int" | "float" | "duration";

/** Whether the language takes the query (§3.5, §6.2); what it says if not plays no part here. */
export function isValid(query: Query): boolean {
  try {
    for (const stage of query.stages) checkStage(stage);
    const { metrics } = query;
    if (metrics?.type === "compare") {
      checkFilter(metrics.selection);
      refuseIf(query.second.length > 0 || (metrics.topN ?? 1n) < 1n);
    }
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

class Refused extends Error {}

function refuseIf(wrong: boolean): void {
  if (wrong) throw new Refused();
}

function checkStage(stage: Stage): void {
  switch (stage.type) {
    case "group":
      typeOf(stage.by);
      refuseIf(!namesField(stage.by));
      return;
    case "scalar-filter": {
      const left = checkScalar(stage.left);
      const right = checkScalar(stage.right);
      refuseIf(!left && !right);
      return;
    }
    case "select":
    case "coalesce":
      return;
    default:
      checkSpanset(stage);
  }
}

function checkSpanset(e: SpansetExpr): void {
  if (e.type === "filter") checkFilter(e.expr);
  else if (e.type === "spanset-op") {
    checkSpanset(e.left);
    checkSpanset(e.right);
    const logic = e.op === "&&" || e.op === "||";
    refuseIf(!logic && (hasGroups(e.left) || hasGroups(e.right)));
  } else for (const stage of e.stages) checkStage(stage);
}

/** Whether a side of an operator may hold several spansets of a trace. */
function hasGroups(e: SpansetExpr): boolean {
  if (e.type !== "pipeline") return false;
  return e.stages.reduce(
    (several, stage) =>
      stage.type !== "coalesce" &&
      (several || stage.type === "group" || (stage.type === "pipeline" && hasGroups(stage))),
    false,
  );
}

/** Whether there is an aggregate. */
function checkScalar(e: ScalarExpr): boolean {
  switch (e.type) {
    case "scalar-static":
      return false;
    case "scalar-op": {
      const left = checkScalar(e.left);
      return checkScalar(e.right) || left;
    }
    case "scalar-pipeline":
      for (const stage of e.stages) checkStage(stage);
      return checkScalar(e.aggregate);
    default:
      if (e.expr === undefined) return true;
      refuseIf(!isNumberLike(typeOf(e.expr)) || !namesField(e.expr));
      return true;
  }
}

function checkFilter(e: FieldExpr): void {
  const type = typeOf(e);
  refuseIf(type !== "bool" && type !== "attribute");
}

function namesField(e: FieldExpr): boolean {
  return mentioned([{ type: "filter", expr: e }]).length > 0;
}

function isNumberLike(type: Type): boolean {
  return type === "attribute" || isNumeric(type);
}

function isNumeric(type: Type): boolean {
  return type === "int" || type === "float" || type === "duration";
}

const DURATIONS: ReadonlySet<string> = new Set([
  "duration",
  "traceDuration",
  "event:timeSinceStart",
]);
const INTEGERS: ReadonlySet<string> = new Set([
  "span:childCount",
  "nestedSetLeft",
  "nestedSetRight",
  "nestedSetParent",
]);

function fieldType(field: FieldRef): Type {
  if (field.type !== "intrinsic") return "attribute";
  if (field.name === "status" || field.name === "kind") return field.name;
  refuseIf(field.name === "parent");
  if (field.name.startsWith("instrumentation:")) return "attribute";
  if (DURATIONS.has(field.name)) return "duration";
  return INTEGERS.has(field.name) ? "int" : "string";
}

function typeOf(e: FieldExpr): Type {
  switch (e.type) {
    case "static":
      return e.value.type;
    case "field":
      return fieldType(e.field);
    case "exists":
      typeOf(e.operand);
      refuseIf(e.negated && e.operand.type === "field" && isNeverNil(e.operand.field));
      return "bool";
    case "unary": {
      const type = typeOf(e.operand);
      refuseIf(!(e.op === "-" ? isNumberLike(type) : type === "bool" || type === "attribute"));
      return type;
    }
    case "binary":
      return binaryType(e);
    default:
      return e satisfies never;
  }
}

function isNeverNil(field: FieldRef): boolean {
  if (field.type === "intrinsic") return true;
  return field.type === "attribute" && field.scope === "resource" && field.key === "service.name";
}

function binaryType({ op, left, right }: FieldExpr & { type: "binary" }): Type {
  const l = typeOf(left);
  const r = typeOf(right);
  const attribute = l === "attribute" || r === "attribute";
  refuseIf(!attribute && l !== r && !(isNumeric(l) && isNumeric(r)));
  refuseIf(!takes(l, op) || !takes(r, op));
  if (op === "=~" || op === "!~") {
    const pattern = right.type === "static" ? right.value.value : undefined;
    refuseIf(typeof pattern !== "string" || !compiles(pattern));
  }
  const arithmetic = ["+", "-", "*", "/", "%", "^"].includes(op);
  if (!arithmetic) return "bool";
  return l === "attribute" ? r : l;
}

function takes(type: Type, op: BinaryOp): boolean {
  if (type === "attribute") return true;
  if (op === "=" || op === "!=") return true;
  if (op === "&&" || op === "||") return type === "bool";
  if (op === "=~" || op === "!~") return type === "string";
  if (["<", "<=", ">", ">="].includes(op)) return isNumeric(type) || type === "string";
  return isNumeric(type);
}

function compiles(pattern: string): boolean {
  try {
    RE2JS.compile(pattern, RE2JS.DOTALL);
    return true;
  } catch {
    return false;
  }
}
