import { nextDown, nextUp } from "../../util/next-double.ts";
import type { BinaryOp, CompareOp, Static } from "../ast.ts";

export type NumericStatic = Static & { readonly type: "int" | "float" | "duration" };

/** Comparisons that hold for the numbers between two ends. */
export type RangeOp = Exclude<CompareOp, "!=">;

/** Ends included. */
type Range = { readonly min: number; readonly max: number };

export function isRangeOp(op: BinaryOp | undefined): op is RangeOp {
  return op === "=" || op === "<" || op === "<=" || op === ">" || op === ">=";
}

/**
 * Where a number lies, as the double next to it, when `number op literal` holds as `compareNumbers`
 * has it: an int64 (`isIntegral`) compares exactly with another and as a double with a float, a double
 * always as a double. Undefined when it never holds.
 */
export function rangeOf(
  op: RangeOp,
  literal: NumericStatic,
  isIntegral: boolean,
): Range | undefined {
  const value = Number(literal.value);
  if (Number.isNaN(value)) return undefined;
  const whole = isIntegral && literal.type !== "float" ? literal.value : undefined;
  switch (op) {
    case "=":
      return { min: value, max: value };
    case ">=":
      return { min: value, max: Number.POSITIVE_INFINITY };
    case "<=":
      return { min: Number.NEGATIVE_INFINITY, max: value };
    case ">": {
      // The next int64 may have the same double.
      const min = whole === undefined ? nextUp(value) : Number(whole + 1n);
      return { min, max: Number.POSITIVE_INFINITY };
    }
    case "<": {
      const max = whole === undefined ? nextDown(value) : Number(whole - 1n);
      return { min: Number.NEGATIVE_INFINITY, max };
    }
    default:
      return op satisfies never;
  }
}
