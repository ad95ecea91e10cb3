import type { CompareOp, FieldExpr, FieldRef, Static } from "../traceql/ast.ts";

/**
 * That the field has this value, of whatever type: who asks by text cannot say which, and what came
 * by doors with types has kept them.
 */
export function hasValue(field: FieldRef, text: string): FieldExpr {
  return anyOf(readingsOf(text).map((value) => compares(field, "=", value)));
}

export function hasText(field: FieldRef, value: string): FieldExpr {
  return compares(field, "=", { type: "string", value });
}

export function compares(field: FieldRef, op: CompareOp, value: Static): FieldExpr {
  return {
    type: "binary",
    op,
    left: { type: "field", field },
    right: { type: "static", value },
  };
}

/** At least one condition. */
export function allOf(conditions: readonly FieldExpr[]): FieldExpr {
  return conditions.reduce((left, right) => ({ type: "binary", op: "&&", left, right }));
}

/** At least one condition. */
export function anyOf(conditions: readonly FieldExpr[]): FieldExpr {
  return conditions.reduce((left, right) => ({ type: "binary", op: "||", left, right }));
}

/** An int64 has no more digits; a double is as near as it comes. */
const NUMBER = /^-?\d{1,19}(\.\d{1,19})?$/;

function readingsOf(text: string): Static[] {
  const string: Static = { type: "string", value: text };
  if (text === "true" || text === "false") {
    return [string, { type: "bool", value: text === "true" }];
  }
  const match = NUMBER.exec(text);
  if (match === null) return [string];
  if (match[1] !== undefined) return [string, { type: "float", value: Number(text) }];
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value ? [string, { type: "int", value }] : [string];
}
