import type { CompareOp, FieldExpr, RegexOp } from "../../../src/traceql/ast.ts";
import { fieldValue, type Item, listOf } from "./field.ts";
import type { OracleSpan } from "./trace.ts";
import {
  arithmetic,
  bool,
  compare,
  compareId,
  holds,
  literal,
  matches,
  NIL,
  negate,
  single,
  type Value,
} from "./value.ts";

/**
 * Whether `{ e }` keeps the span (§3.3, §3.4): all comparisons of a pure conjunction look at one
 * and the same event and link; any other comparison looks for one of its own.
 */
export function filterMatches(e: FieldExpr, span: OracleSpan): boolean {
  const parts = conjuncts(e);
  if (parts.length === 1 || parts.some(isLogic)) {
    if (isCondition(e)) return isTrue(value(e, span, {}));
    return someItem([e], span, (item) => isTrue(single(valueOn(e, span, item))));
  }
  return someItem(parts, span, (item) => parts.every((part) => holds(valueOn(part, span, item))));
}

/** A value to group by or to aggregate. */
export function spanValue(e: FieldExpr, span: OracleSpan): Value {
  return single(value(e, span, {}));
}

function isTrue(v: Value): boolean {
  return v.t === "bool" && v.v;
}

function conjuncts(e: FieldExpr): FieldExpr[] {
  if (e.type === "binary" && e.op === "&&") return [...conjuncts(e.left), ...conjuncts(e.right)];
  return [e];
}

function isLogic(e: FieldExpr): boolean {
  if (e.type === "binary") return e.op === "||" || e.op === "&&";
  return e.type === "unary" && e.op === "!" && isCondition(e.operand);
}

const COMPARISONS: ReadonlySet<string> = new Set(["=", "!=", "<", "<=", ">", ">=", "=~", "!~"]);

/** Expressions that are true or false on every span; others have values, which may be nil. */
function isCondition(e: FieldExpr): boolean {
  if (e.type === "exists") return true;
  if (e.type === "unary") return e.op === "!" && isCondition(e.operand);
  return e.type === "binary" && (COMPARISONS.has(e.op) || e.op === "&&" || e.op === "||");
}

/** The lists whose fields are operands of this expression, those of inner conditions apart. */
function listsOf(e: FieldExpr, inner = false): Set<"event" | "link"> {
  if (inner && isCondition(e)) return new Set();
  switch (e.type) {
    case "static":
      return new Set();
    case "field": {
      const list = listOf(e.field);
      return new Set(list === undefined ? [] : [list]);
    }
    case "unary":
    case "exists":
      return listsOf(e.operand, true);
    default:
      return new Set([...listsOf(e.left, true), ...listsOf(e.right, true)]);
  }
}

/** Whether some event and some link, as far as the parts read them, pass the test. */
function someItem(
  parts: readonly FieldExpr[],
  span: OracleSpan,
  test: (item: Item) => boolean,
): boolean {
  const lists = new Set(parts.flatMap((part) => [...listsOf(part)]));
  const events = lists.has("event") ? span.events : [undefined];
  const links = lists.has("link") ? span.links : [undefined];
  return events.some((event) => links.some((link) => test({ event, link })));
}

/** The value of an expression that looks for events and links of its own. */
function value(e: FieldExpr, span: OracleSpan, item: Item): Value {
  if (e.type === "binary" && (e.op === "&&" || e.op === "||")) {
    const left = operandHolds(e.left, span);
    const right = operandHolds(e.right, span);
    return bool(e.op === "&&" ? left && right : left || right);
  }
  if (e.type === "unary" && e.op === "!" && isCondition(e.operand)) {
    return bool(!isTrue(value(e.operand, span, {})));
  }
  if (isCondition(e)) {
    return bool(someItem([e], span, (found) => isTrue(valueOn(e, span, found))));
  }
  return valueOn(e, span, item);
}

/** A bare field of events or links is true if it is on some of them. */
function operandHolds(e: FieldExpr, span: OracleSpan): boolean {
  if (isCondition(e)) return isTrue(value(e, span, {}));
  return someItem([e], span, (item) => holds(valueOn(e, span, item)));
}

/** The value on one event and link. */
function valueOn(e: FieldExpr, span: OracleSpan, item: Item): Value {
  const operand = (inner: FieldExpr): Value =>
    isCondition(inner) ? value(inner, span, {}) : valueOn(inner, span, item);
  switch (e.type) {
    case "static":
      return literal(e.value);
    case "field":
      return fieldValue(e.field, span, item);
    case "exists": {
      const v = operand(e.operand);
      return bool(v.t !== "empty" && (v.t === "nil") === e.negated);
    }
    case "unary": {
      const v = operand(e.operand);
      if (e.op === "-") return negate(v);
      const one = single(v);
      return one.t === "bool" ? bool(!one.v) : NIL;
    }
    case "binary":
      switch (e.op) {
        case "&&":
        case "||":
          return value(e, span, {});
        case "+":
        case "-":
        case "*":
        case "/":
        case "%":
        case "^":
          return arithmetic(e.op, operand(e.left), operand(e.right));
        default:
          return bool(comparison(e.op, e.left, e.right, operand));
      }
    default:
      return e satisfies never;
  }
}

function comparison(
  op: CompareOp | RegexOp,
  l: FieldExpr,
  r: FieldExpr,
  operand: (e: FieldExpr) => Value,
): boolean {
  const left = operand(l);
  const right = operand(r);
  if (op === "=~" || op === "!~") {
    return right.t === "string" && matches(op, left, right.v);
  }
  if ((op === "=" || op === "!=") && left.t === "string" && right.t === "string") {
    if (left.id && r.type === "static") return compareId(op, left.v, right.v);
    if (right.id && l.type === "static") return compareId(op, right.v, left.v);
  }
  return compare(op, left, right);
}
