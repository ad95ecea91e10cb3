import type { StructuralOp } from "../../../src/traceql/ast.ts";
import type { PipelineStage, ScalarNode, SpansetNode } from "../../../src/traceql/plan/pipeline.ts";
import { applyBinary } from "../../../src/traceql/static-ops.ts";

/** A value of a span: int as bigint, double as number. */
export type ToyValue = string | bigint | number | boolean | undefined;

/** A span that knows its parent itself, so that nothing here looks at nested-set numbers. */
export type ToySpan = {
  readonly row: number;
  readonly parent: ToySpan | undefined;
  readonly isRoot: boolean;
  readonly leaves: readonly boolean[];
  readonly values: readonly ToyValue[];
};

export type ToySpanset = {
  readonly spans: readonly ToySpan[];
  readonly attributes: readonly string[];
};

/** The spansets that the stages leave of one trace's spans, by the plain meaning of each stage. */
export function evaluate(
  stages: readonly PipelineStage[],
  input: readonly ToySpanset[],
): ToySpanset[] {
  let current = [...input];
  for (const stage of stages) {
    current = apply(stage, current).filter(({ spans }) => spans.length > 0);
  }
  return current;
}

function apply(stage: PipelineStage, input: readonly ToySpanset[]): ToySpanset[] {
  switch (stage.type) {
    case "spanset":
      return input.map((set) => ({ ...set, spans: [...evaluateSpanset(stage.expr, set.spans)] }));
    case "group":
      return input.flatMap((set) => group(set, stage.value, stage.name));
    case "coalesce":
      return [{ spans: input.flatMap(({ spans }) => spans), attributes: [] }];
    case "scalar-filter":
      return input.flatMap((set) => {
        const shown = new Map<string, string>();
        const left = scalar(stage.left, set.spans, shown);
        const right = scalar(stage.right, set.spans, shown);
        if (left === undefined || right === undefined) return [];
        const holds = applyBinary(stage.op, asStatic(left), asStatic(right));
        if (holds?.type !== "bool" || !holds.value) return [];
        return [{ ...set, attributes: [...set.attributes, ...shown.values()] }];
      });
    default:
      return stage satisfies never;
  }
}

function group(set: ToySpanset, value: number, name: string): ToySpanset[] {
  const groups = new Map<string, ToySpan[]>();
  for (const span of set.spans) {
    const text = shownValue(span.values[value]);
    groups.set(text, [...(groups.get(text) ?? []), span]);
  }
  return [...groups].map(([text, spans]) => ({
    spans,
    attributes: [...set.attributes, `${name}=${text}`],
  }));
}

/** With its type, which tells groups apart. */
function shownValue(value: ToyValue): string {
  if (value === undefined) return "string nil";
  if (typeof value === "bigint") return `int ${value}`;
  return `${typeof value === "number" ? "double" : typeof value} ${value}`;
}

function evaluateSpanset(expr: SpansetNode, input: readonly ToySpan[]): ReadonlySet<ToySpan> {
  switch (expr.type) {
    case "leaf":
      return new Set(input.filter((span) => span.leaves[expr.leaf]));
    case "pipeline":
      return new Set(
        evaluate(expr.stages, [{ spans: input, attributes: [] }]).flatMap(({ spans }) => spans),
      );
    case "op": {
      const left = evaluateSpanset(expr.left, input);
      const right = evaluateSpanset(expr.right, input);
      if (expr.op === "||") return new Set([...left, ...right]);
      if (expr.op === "&&") {
        return left.size === 0 || right.size === 0 ? new Set() : new Set([...left, ...right]);
      }
      return structural(expr.op, left, right);
    }
    default:
      return expr satisfies never;
  }
}

function structural(
  op: StructuralOp,
  left: ReadonlySet<ToySpan>,
  right: ReadonlySet<ToySpan>,
): ReadonlySet<ToySpan> {
  const kind = op[0] === "!" || op[0] === "&" ? op.slice(1) : op;
  const result = new Set<ToySpan>();
  for (const r of right) {
    const related = [...left].filter((l) => matches(kind, l, r));
    if (op.startsWith("!") ? related.length === 0 : related.length > 0) {
      result.add(r);
      if (op.startsWith("&")) for (const l of related) result.add(l);
    }
  }
  return result;
}

function matches(kind: string, l: ToySpan, r: ToySpan): boolean {
  if (l === r || !connected(l) || !connected(r)) return false;
  switch (kind) {
    case ">":
      return r.parent === l;
    case "<":
      return l.parent === r;
    case ">>":
      return isBelow(r, l);
    case "<<":
      return isBelow(l, r);
    default:
      return l.parent === r.parent;
  }
}

function isBelow(span: ToySpan, above: ToySpan): boolean {
  for (let s = span.parent; s !== undefined; s = s.parent) if (s === above) return true;
  return false;
}

export function connected(span: ToySpan): boolean {
  let top = span;
  while (top.parent !== undefined) top = top.parent;
  return top.isRoot;
}

function scalar(
  expr: ScalarNode,
  spans: readonly ToySpan[],
  shown: Map<string, string>,
): bigint | number | undefined {
  switch (expr.type) {
    case "aggregate": {
      const value = aggregate(expr.fn, expr.value, spans);
      if (value !== undefined) shown.set(expr.name, `${expr.name}=${shownValue(value)}`);
      return value;
    }
    case "static":
      return expr.value.value as bigint | number;
    case "op": {
      const left = scalar(expr.left, spans, shown);
      const right = scalar(expr.right, spans, shown);
      if (left === undefined || right === undefined) return undefined;
      const result = applyBinary(expr.op, asStatic(left), asStatic(right));
      return result?.value as bigint | number | undefined;
    }
    case "pipeline": {
      const left = evaluate(expr.stages, [{ spans, attributes: [] }]).flatMap((set) => set.spans);
      return left.length === 0
        ? undefined
        : aggregate(expr.aggregate.fn, expr.aggregate.value, left);
    }
    default:
      return expr satisfies never;
  }
}

function aggregate(
  fn: string,
  value: number | undefined,
  spans: readonly ToySpan[],
): bigint | number | undefined {
  if (value === undefined) return BigInt(spans.length);
  const numbers = spans
    .map((span) => span.values[value])
    .filter((v) => typeof v === "bigint" || typeof v === "number");
  if (numbers.length === 0) return undefined;
  const ints = numbers.filter((v) => typeof v === "bigint");
  const doubles = numbers.filter((v) => typeof v === "number");
  const intSum = ints.reduce((a, b) => a + b, 0n);
  const sum = Number(intSum) + doubles.reduce((a, b) => a + b, 0);
  switch (fn) {
    case "sum":
      return doubles.length === 0 ? saturated(intSum) : sum;
    case "avg":
      return sum / numbers.length;
    default: {
      const sign = fn === "min" ? 1 : -1;
      // Of an equal int and double the int is shown.
      return [...ints, ...doubles].reduce((a, b) => (sign * Number(b) < sign * Number(a) ? b : a));
    }
  }
}

function saturated(value: bigint): bigint {
  const max = 2n ** 63n - 1n;
  return value > max ? max : value < -max - 1n ? -max - 1n : value;
}

function asStatic(value: bigint | number) {
  return typeof value === "bigint"
    ? ({ type: "int", value } as const)
    : ({ type: "float", value } as const);
}
