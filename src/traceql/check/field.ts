import type { FieldExpr, FieldRef } from "../ast.ts";
import { foldConstants } from "../fold.ts";
import { printField } from "../print.ts";
import { checkRegex } from "../regex.ts";
import { notSupportedYet, TraceQLError } from "../traceql-error.ts";
import { fieldDepth, foldField } from "../walk.ts";
import {
  compatible,
  isArithmetic,
  isNumericType,
  operatorAllowed,
  type StaticType,
  typeOfField,
} from "./types.ts";

/**
 * Levels of one filter, not counting those of `&&` and `||` chains: each costs the database several
 * of its own, which has a bound too.
 */
export const MAX_FILTER_DEPTH = 48;

/** The static type of `expr`. Throws `TraceQLError` where its operands do not fit its operators. */
export function checkField(expr: FieldExpr): StaticType {
  const depth = fieldDepth(expr);
  if (depth > MAX_FILTER_DEPTH) {
    throw new TraceQLError(
      `expression nested too deeply: ${depth} levels, the limit is ${MAX_FILTER_DEPTH}`,
    );
  }
  return foldField<StaticType>(expr, (node, results) => {
    switch (node.type) {
      case "static":
        return node.value.type;
      case "field":
        checkFieldRef(node.field);
        return typeOfField(node.field);
      case "unary":
        return checkUnary(node, results[0]!);
      case "exists":
        return checkExists(node);
      case "binary":
        return checkBinary(node, results[0]!, results[1]!);
      default:
        return node satisfies never;
    }
  });
}

/** Throws for the parent span itself, which is no value: attributes of it are. */
export function checkFieldRef(field: FieldRef): void {
  if (field.type === "intrinsic" && field.name === "parent") {
    throw notSupportedYet("intrinsic parent");
  }
}

/** A filter `{ … }`: true or false for each span. */
export function checkFilter(expr: FieldExpr): void {
  const type = checkField(expr);
  if (type !== "bool" && type !== "attribute") {
    throw new TraceQLError(
      `span filter expressions must be boolean, this one gives ${article(type)}: { ${shown(expr)} }`,
    );
  }
}

export function shown(expr: FieldExpr): string {
  const text = printField(expr);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function article(type: StaticType): string {
  return type === "int" ? "an int" : `a ${type}`;
}

function checkUnary(node: FieldExpr & { type: "unary" }, operand: StaticType): StaticType {
  const fits = node.op === "!" ? operand === "bool" : isNumericType(operand);
  if (!fits && operand !== "attribute") {
    throw new TraceQLError(
      `illegal operation for the given type: ${node.op} of ${article(operand)} in ${shown(node)}`,
    );
  }
  return operand;
}

function checkExists(node: FieldExpr & { type: "exists" }): StaticType {
  if (node.negated && node.operand.type === "field") {
    const { field } = node.operand;
    if (field.type === "intrinsic") {
      throw new TraceQLError(`= nil is not valid here, intrinsics cannot be nil: ${shown(node)}`);
    }
    if (field.type === "attribute" && field.scope === "resource" && field.key === "service.name") {
      throw new TraceQLError(`= nil is not valid here, service name cannot be nil: ${shown(node)}`);
    }
  }
  return "bool";
}

function checkBinary(
  node: FieldExpr & { type: "binary" },
  left: StaticType,
  right: StaticType,
): StaticType {
  if (!compatible(left, right)) {
    throw new TraceQLError(
      `binary operations must have operands of the same type, not ${left} and ${right}: ${shown(node)}`,
    );
  }
  if (!operatorAllowed(node.op, left) || !operatorAllowed(node.op, right)) {
    throw new TraceQLError(
      `illegal operation for the given types: ${left} ${node.op} ${right} in ${shown(node)}`,
    );
  }
  if (node.op === "=~" || node.op === "!~") {
    const pattern = foldConstants(node.right);
    if (pattern.type !== "static" || pattern.value.type !== "string") {
      throw new TraceQLError(
        `the right side of ${node.op} must be a string literal: ${shown(node)}`,
      );
    }
    checkRegex(pattern.value.value);
  }
  if (!isArithmetic(node.op)) return "bool";
  return left === "attribute" ? right : left;
}
