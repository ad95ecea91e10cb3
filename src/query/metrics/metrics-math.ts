import type { ArithmeticOp } from "../../traceql/ast.ts";
import { labelSetKey, NAME_LABEL } from "./label-value.ts";
import { type ForEach, hasPoint, type WorkingSeries } from "./second-stages.ts";

/** What an expression gives: series, or one number that stands for itself in every bucket. */
export type MathValue = readonly WorkingSeries[] | number;

/**
 * `left op right` point by point, between series whose labels are equal but for the function's
 * name, which the result has not. Points that one side lacks, and those that are no number, are
 * missing; so are exemplars, since no span stands for a computed point.
 */
export async function combine(
  op: ArithmeticOp,
  left: MathValue,
  right: MathValue,
  forEach: ForEach,
): Promise<MathValue> {
  if (typeof left === "number" && typeof right === "number") return compute(op, left, right);
  const result: WorkingSeries[] = [];
  const add = (series: WorkingSeries, valueAt: (value: number, bucket: number) => number): void => {
    const values = series.values.map(valueAt);
    const labels = series.labels.filter(({ key }) => key !== NAME_LABEL);
    if (hasPoint(values)) result.push({ labels, values, exemplars: [] });
  };
  if (typeof right === "number") {
    if (typeof left === "number") throw new Error("two numbers are handled before");
    await forEach(left, (series) => add(series, (value) => compute(op, value, right)));
    return result;
  }
  if (typeof left === "number") {
    await forEach(right, (series) => add(series, (value) => compute(op, left, value)));
    return result;
  }
  const partners = new Map(right.map((series) => [labelSetKey(series.labels), series.values]));
  await forEach(left, (series) => {
    const partner = partners.get(labelSetKey(series.labels));
    if (partner === undefined) return;
    add(series, (value, bucket) => compute(op, value, partner[bucket]!));
  });
  return result;
}

/** NaN is a missing point on either side: without a check, `NaN ^ 0` would be 1. */
function compute(op: ArithmeticOp, left: number, right: number): number {
  if (Number.isNaN(left) || Number.isNaN(right)) return Number.NaN;
  switch (op) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return left / right;
    case "%":
      return left % right;
    case "^":
      return left ** right;
    default:
      return op satisfies never;
  }
}
