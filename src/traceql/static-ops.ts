import type { ArithmeticOp, BinaryOp, CompareOp, Static } from "./ast.ts";
import { INT64_MAX, INT64_MIN } from "./words.ts";

/** What an operator gives for two literals; undefined where only run time can say, or never. */
export function applyBinary(op: BinaryOp, left: Static, right: Static): Static | undefined {
  switch (op) {
    case "&&":
    case "||": {
      if (left.type !== "bool" || right.type !== "bool") return undefined;
      const value = op === "&&" ? left.value && right.value : left.value || right.value;
      return { type: "bool", value };
    }
    case "=":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=": {
      const value = compareStatics(op, left, right);
      return value === undefined ? undefined : { type: "bool", value };
    }
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
    case "^":
      return arithmetic(op, left, right);
    case "=~":
    case "!~":
      return undefined;
    default:
      return op satisfies never;
  }
}

export function isNumeric(value: Static): value is Static & { type: "int" | "float" | "duration" } {
  return value.type === "int" || value.type === "float" || value.type === "duration";
}

/** Undefined when the operator does not apply to these types. */
export function compareStatics(op: CompareOp, left: Static, right: Static): boolean | undefined {
  if (isNumeric(left) && isNumeric(right)) {
    if (left.type === "float" || right.type === "float") {
      return compareOrdered(op, Number(left.value), Number(right.value));
    }
    return compareOrdered(op, left.value, right.value);
  }
  if (left.type !== right.type) return undefined;
  if (left.type === "string" && right.type === "string") {
    const order = compareUtf8(left.value, right.value);
    return compareOrdered(op, order, 0);
  }
  if (op === "=") return left.value === right.value;
  if (op === "!=") return left.value !== right.value;
  return undefined;
}

export function compareOrdered<T extends number | bigint>(op: CompareOp, a: T, b: T): boolean {
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
    case ">=":
      return a >= b;
    default:
      return op satisfies never;
  }
}

/** Order of the UTF-8 bytes, which is that of code points, not of UTF-16 units. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1;
  }
  return a.length - b.length;
}

function arithmetic(op: ArithmeticOp, left: Static, right: Static): Static | undefined {
  if (!isNumeric(left) || !isNumeric(right)) return undefined;
  if (left.type === "int" && right.type === "int") {
    const value = intArithmetic(op, left.value, right.value);
    return value === undefined ? undefined : { type: "int", value };
  }
  return { type: "float", value: floatArithmetic(op, Number(left.value), Number(right.value)) };
}

/** Wrapping int64; undefined for a division by zero. */
export function intArithmetic(op: ArithmeticOp, a: bigint, b: bigint): bigint | undefined {
  switch (op) {
    case "+":
      return BigInt.asIntN(64, a + b);
    case "-":
      return BigInt.asIntN(64, a - b);
    case "*":
      return BigInt.asIntN(64, a * b);
    case "/":
      return b === 0n ? undefined : BigInt.asIntN(64, a / b);
    case "%":
      return b === 0n ? undefined : a % b;
    case "^":
      return saturate(Number(a) ** Number(b));
    default:
      return op satisfies never;
  }
}

/** Truncated toward zero, saturating at int64. */
function saturate(value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  if (value >= 2 ** 63) return INT64_MAX;
  if (value <= -(2 ** 63)) return INT64_MIN;
  return BigInt(Math.trunc(value));
}

export function floatArithmetic(op: ArithmeticOp, a: number, b: number): number {
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
    case "^":
      // C's pow, unlike JavaScript's, gives 1 for these.
      return a === 1 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b)) ? 1 : a ** b;
    default:
      return op satisfies never;
  }
}
