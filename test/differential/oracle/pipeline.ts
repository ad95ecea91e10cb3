import type {
  Aggregate,
  ScalarExpr,
  ScalarFilter,
  SpansetExpr,
  SpansetOp,
  Stage,
} from "../../../src/traceql/ast.ts";
import { filterMatches, spanValue } from "./filter.ts";
import { aggregateText, exprText } from "./text.ts";
import { isChild, isDescendant, isSibling, type OracleSpan } from "./trace.ts";
import { arithmetic, compare, groupKey, isNumeric, literal, NIL, type Value } from "./value.ts";

export type Spanset = {
  readonly spans: readonly OracleSpan[];
  readonly attributes: readonly (readonly [name: string, value: Value])[];
};

/** A structural operator met several spansets on one side (§4.3): the request is wrong. */
export class SeveralSpansetsError extends Error {}

/** The spansets that the stages make of one trace (§4.1, §4.2). */
export function runStages(stages: readonly Stage[], spans: readonly OracleSpan[]): Spanset[] {
  let spansets: Spanset[] = [{ spans, attributes: [] }];
  for (const stage of stages) {
    spansets = runStage(stage, spansets).filter((spanset) => spanset.spans.length > 0);
  }
  return spansets;
}

function runStage(stage: Stage, input: readonly Spanset[]): Spanset[] {
  switch (stage.type) {
    case "filter":
    case "spanset-op":
      return input.map(({ spans, attributes }) => ({
        spans: evaluate(stage, spans),
        attributes,
      }));
    case "pipeline":
      return input.flatMap(({ spans, attributes }) =>
        runStages(stage.stages, spans).map((made) => ({
          spans: made.spans,
          attributes: [...attributes, ...made.attributes],
        })),
      );
    case "scalar-filter":
      return input.flatMap((spanset) => filterScalar(stage, spanset));
    case "group":
      return input.flatMap(({ spans, attributes }) => {
        const name = `by(${exprText(stage.by)})`;
        const groups = new Map<string, { value: Value; spans: OracleSpan[] }>();
        for (const span of spans) {
          const value = spanValue(stage.by, span);
          const key = groupKey(value);
          const group = groups.get(key) ?? { value, spans: [] };
          groups.set(key, group);
          group.spans.push(span);
        }
        return Array.from(
          groups.values(),
          (group): Spanset => ({
            spans: group.spans,
            attributes: [...attributes, [name, group.value]],
          }),
        );
      });
    case "coalesce":
      return [{ spans: union(...input.map(({ spans }) => spans)), attributes: [] }];
    case "select":
      return [...input];
    default:
      return stage satisfies never;
  }
}

/** Each span once, by start and span id. */
function union(...lists: readonly (readonly OracleSpan[])[]): OracleSpan[] {
  return [...new Set(lists.flat())].sort((a, b) => a.index - b.index);
}

/** The spans that a spanset expression returns of one spanset. */
function evaluate(e: SpansetExpr, spans: readonly OracleSpan[]): OracleSpan[] {
  if (e.type === "filter") return spans.filter((span) => filterMatches(e.expr, span));
  if (e.type === "pipeline") return union(...sides(e, spans));
  const left = sides(e.left, spans);
  const right = sides(e.right, spans);
  const structural = e.op !== "&&" && e.op !== "||";
  if (structural && (left.length > 1 || right.length > 1)) throw new SeveralSpansetsError(e.op);
  return combine(e.op, union(...left), union(...right));
}

/** A side's spansets. */
function sides(e: SpansetExpr, spans: readonly OracleSpan[]): (readonly OracleSpan[])[] {
  if (e.type === "pipeline") return runStages(e.stages, spans).map((spanset) => spanset.spans);
  return [evaluate(e, spans)];
}

function combine(
  op: SpansetOp,
  left: readonly OracleSpan[],
  right: readonly OracleSpan[],
): OracleSpan[] {
  if (op === "||") return union(left, right);
  if (op === "&&") return left.length > 0 && right.length > 0 ? union(left, right) : [];
  const relation = op.replace(/^[!&]/, "");
  const related = (l: OracleSpan, r: OracleSpan): boolean => {
    switch (relation) {
      case ">":
        return isChild(r, l);
      case "<":
        return isChild(l, r);
      case ">>":
        return isDescendant(r, l);
      case "<<":
        return isDescendant(l, r);
      default:
        return isSibling(l, r);
    }
  };
  if (op.startsWith("!")) return right.filter((r) => !left.some((l) => related(l, r)));
  const found = right.filter((r) => left.some((l) => related(l, r)));
  if (!op.startsWith("&")) return found;
  return union(
    found,
    left.filter((l) => right.some((r) => related(l, r))),
  );
}

function filterScalar(stage: ScalarFilter, { spans, attributes }: Spanset): Spanset[] {
  const added = new Map<string, Value>();
  const left = scalar(stage.left, spans, added);
  const right = scalar(stage.right, spans, added);
  if (!isNumeric(left) || !isNumeric(right) || !compare(stage.op, left, right)) return [];
  return [{ spans, attributes: [...attributes, ...added] }];
}

/** `added` takes the aggregates, each once. */
function scalar(e: ScalarExpr, spans: readonly OracleSpan[], added: Map<string, Value>): Value {
  switch (e.type) {
    case "scalar-static":
      return literal(e.value);
    case "scalar-op":
      return arithmetic(e.op, scalar(e.left, spans, added), scalar(e.right, spans, added));
    case "scalar-pipeline": {
      const inner = runStages(e.stages, spans).map((spanset) => spanset.spans);
      return aggregate(e.aggregate, union(...inner));
    }
    case "aggregate": {
      const value = aggregate(e, spans);
      added.set(aggregateText(e), value);
      return value;
    }
    default:
      return e satisfies never;
  }
}

/** Nil where there is no span, and where none has a number. */
function aggregate({ fn, expr }: Aggregate, spans: readonly OracleSpan[]): Value {
  if (spans.length === 0) return NIL;
  if (expr === undefined) return { t: "int", v: BigInt(spans.length) };
  const values = spans.map((span) => spanValue(expr, span)).filter(isNumeric);
  const [first] = values;
  if (first === undefined) return NIL;
  switch (fn) {
    case "min":
      return values.reduce((a, b) => (compare("<", b, a) ? b : a));
    case "max":
      return values.reduce((a, b) => (compare(">", b, a) ? b : a));
    default: {
      const alike = values.every((v) => v.t === first.t);
      const average = fn === "avg";
      if (!alike || first.t === "float") {
        const total = values.reduce((sum, v) => sum + Number(v.v), 0);
        return { t: "float", v: average ? total / values.length : total };
      }
      const total = values.reduce((sum, v) => sum + BigInt(v.v), 0n);
      if (!average) return { t: first.t, v: BigInt.asIntN(64, total) };
      if (first.t === "duration") return { t: "duration", v: total / BigInt(values.length) };
      return { t: "float", v: Number(total) / values.length };
    }
  }
}
