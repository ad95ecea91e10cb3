import { RE2JS } from "re2js";
import type { ArithmeticOp, CompareOp, RegexOp, Static } from "../../../src/traceql/ast.ts";
import type { AnyValueLike } from "../../../src/traceql/sql/field.ts";
import { durationText } from "./text.ts";

/**
 * A value at run time. `nil` is an absent one; `empty` is an array without elements, which is
 * neither absent nor comparable. `id` marks the text of an id field, whose equality is of numbers.
 */
export type Value =
  | { readonly t: "nil" }
  | { readonly t: "empty" }
  | { readonly t: "string"; readonly v: string; readonly id?: true }
  | { readonly t: "int"; readonly v: bigint }
  | { readonly t: "duration"; readonly v: bigint }
  | { readonly t: "float"; readonly v: number }
  | { readonly t: "bool"; readonly v: boolean }
  | { readonly t: "status"; readonly v: number }
  | { readonly t: "kind"; readonly v: number }
  | { readonly t: "array"; readonly v: readonly Value[] };
export type NumericValue = Value & { readonly t: "int" | "duration" | "float" };

export const NIL: Value = { t: "nil" };
export const STATUS_WORDS = ["unset", "ok", "error"] as const;
export const KIND_WORDS = [
  "unspecified",
  "internal",
  "server",
  "client",
  "producer",
  "consumer",
] as const;

export function bool(v: boolean): Value {
  return { t: "bool", v };
}
export function string(v: string): Value {
  return { t: "string", v };
}
export function int(v: number): Value {
  return { t: "int", v: BigInt(v) };
}

export function literal(s: Static): Value {
  if (s.type === "status") return { t: "status", v: STATUS_WORDS.indexOf(s.value) };
  if (s.type === "kind") return { t: "kind", v: KIND_WORDS.indexOf(s.value) };
  return { t: s.type, v: s.value } as Value;
}

/** A one-element array behaves as its element. */
export function single(v: Value): Value {
  return v.t === "array" && v.v.length === 1 ? v.v[0]! : v;
}

export function isNumeric(v: Value): v is NumericValue {
  return v.t === "int" || v.t === "duration" || v.t === "float";
}

/** §3.6, §3.8: false where types do not fit; an array matches by some element, or by none. */
export function compare(op: CompareOp, l: Value, r: Value): boolean {
  const left = single(l);
  const right = single(r);
  if (left.t === "array" && right.t === "array") return false;
  if (left.t === "array") return compareItems(op, left.v, (item, o) => scalars(o, item, right));
  if (right.t === "array") return compareItems(op, right.v, (item, o) => scalars(o, left, item));
  return scalars(op, left, right) ?? false;
}

function compareItems(
  op: CompareOp,
  items: readonly Value[],
  test: (item: Value, op: CompareOp) => boolean | undefined,
): boolean {
  if (test(items[0]!, op) === undefined) return false;
  if (op === "!=") return items.every((item) => test(item, "=") === false);
  return items.some((item) => test(item, op) === true);
}

/** Undefined where the operator has no meaning for these types. */
function scalars(op: CompareOp, l: Value, r: Value): boolean | undefined {
  if (isNumeric(l) && isNumeric(r)) return numbers(op, l, r);
  if (l.t === "string" && r.t === "string") {
    const order = Buffer.compare(Buffer.from(l.v), Buffer.from(r.v));
    return ordered(op, order, 0);
  }
  if (
    (l.t === "bool" && r.t === "bool") ||
    (l.t === "status" && r.t === "status") ||
    (l.t === "kind" && r.t === "kind")
  ) {
    if (op === "=") return l.v === r.v;
    if (op === "!=") return l.v !== r.v;
  }
  return undefined;
}

function numbers(op: CompareOp, l: NumericValue, r: NumericValue): boolean {
  if (l.t === "float" || r.t === "float") return ordered(op, Number(l.v), Number(r.v));
  return ordered(op, l.v, r.v);
}

function ordered(op: CompareOp, a: number | bigint, b: number | bigint): boolean {
  switch (op) {
    case "=":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    default:
      return a >= b;
  }
}

/** §3.1 REC: an id equals a literal when both are the same hexadecimal number. */
export function compareId(op: "=" | "!=", id: string, text: string): boolean {
  const equal = /^[0-9a-f]+$/i.test(text) && BigInt(`0x${text}`) === BigInt(`0x0${id}`);
  return equal === (op === "=");
}

const patterns = new Map<string, RE2JS>();

/** §3.7: anchored at both ends, `.` matches line breaks. */
export function matches(op: RegexOp, left: Value, pattern: string): boolean {
  let re = patterns.get(pattern);
  if (re === undefined) {
    re = RE2JS.compile(pattern, RE2JS.DOTALL);
    patterns.set(pattern, re);
  }
  const hits = (text: string) => re.matches(text);
  const value = single(left);
  if (value.t === "string") return hits(value.v) === (op === "=~");
  if (value.t !== "array" || value.v[0]!.t !== "string") return false;
  const some = value.v.some((item) => item.t === "string" && hits(item.v));
  return some === (op === "=~");
}

/** §3.6; nil where the operands are no numbers, and for integers divided by zero. */
export function arithmetic(op: ArithmeticOp, l: Value, r: Value): Value {
  const left = single(l);
  const right = single(r);
  if (!isNumeric(left) || !isNumeric(right)) return NIL;
  if (left.t === "int" && right.t === "int") return integers(op, left.v, right.v);
  return { t: "float", v: floats(op, Number(left.v), Number(right.v)) };
}

function integers(op: ArithmeticOp, a: bigint, b: bigint): Value {
  const wrapped = (v: bigint): Value => ({ t: "int", v: BigInt.asIntN(64, v) });
  switch (op) {
    case "+":
      return wrapped(a + b);
    case "-":
      return wrapped(a - b);
    case "*":
      return wrapped(a * b);
    case "/":
      return b === 0n ? NIL : wrapped(a / b);
    case "%":
      return b === 0n ? NIL : wrapped(a % b);
    default: {
      const power = Math.trunc(Number(a) ** Number(b));
      if (power >= 2 ** 63) return { t: "int", v: 2n ** 63n - 1n };
      if (power <= -(2 ** 63)) return { t: "int", v: -(2n ** 63n) };
      return { t: "int", v: BigInt(power) };
    }
  }
}

function floats(op: ArithmeticOp, a: number, b: number): number {
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a % b;
    default:
      // As C's pow, of which JavaScript differs here.
      return a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b;
  }
}

export function negate(operand: Value): Value {
  const v = single(operand);
  if (v.t === "float") return { t: "float", v: -v.v };
  if (v.t === "int" || v.t === "duration") return { t: v.t, v: BigInt.asIntN(64, -v.v) };
  return NIL;
}

/** An operand of `&&` and `||`: of an array of booleans some element counts. */
export function holds(v: Value): boolean {
  if (v.t === "bool") return v.v;
  return v.t === "array" && v.v.some((item) => item.t === "bool" && item.v);
}

/** Type and value as text: equal for values that group together. */
export function groupKey(v: Value): string {
  if (v.t === "nil" || v.t === "empty") return v.t;
  if (v.t === "array") return `array[${v.v.map((item) => JSON.stringify(groupKey(item))).join()}]`;
  return `${v.t}:${Object.is(v.v, -0) ? "0" : String(v.v)}`;
}

/** §3.9, third column. */
export function anyValue(v: Value): AnyValueLike {
  switch (v.t) {
    case "nil":
      return { stringValue: "nil" };
    case "empty":
      return { arrayValue: { values: [] } };
    case "string":
      return { stringValue: v.v };
    case "int":
      return { intValue: v.v.toString() };
    case "duration":
      return { stringValue: durationText(v.v) };
    case "float":
      return { doubleValue: v.v };
    case "bool":
      return { boolValue: v.v };
    case "status":
      return { stringValue: STATUS_WORDS[v.v] ?? "unset" };
    case "kind":
      return { stringValue: KIND_WORDS[v.v] ?? "unspecified" };
    case "array":
      return { arrayValue: { values: v.v.map(anyValue) } };
    default:
      return v satisfies never;
  }
}
