import { RE2JS } from "re2js";
import type { FieldExpr, FieldRef, Static } from "../../src/traceql/ast.ts";
import type { TestAttributes, TestEvent, TestLink, TestSpan } from "../traceql/sql/stored-table.ts";

/**
 * What a filter means on one span, written from the language's description alone and as plainly as
 * possible: one value at a time, no regard to speed, nothing shared with the SQL compiler.
 */
export function evaluateFilter(filter: FieldExpr, span: TestSpan): boolean {
  const parts = conjuncts(filter);
  if (parts.length === 1 || parts.some(isLogic)) return condition(filter, span, {}, false);
  // All comparisons with events hold on one event, all with links on one link.
  const events = parts.some((part) => uses(part, "event")) ? span.events : [undefined];
  const links = parts.some((part) => uses(part, "link")) ? span.links : [undefined];
  return events.some((event) =>
    links.some((link) => parts.every((part) => atom(part, span, { event, link }, true))),
  );
}

type Scope = { event?: TestEvent | undefined; link?: TestLink | undefined };

type Val =
  | { t: "nil" }
  | { t: "empty" }
  | { t: "string"; v: string; id?: "trace" | "span" }
  | { t: "int"; v: bigint }
  | { t: "duration"; v: bigint }
  | { t: "float"; v: number }
  | { t: "bool"; v: boolean }
  | { t: "status"; v: number }
  | { t: "kind"; v: number }
  | { t: "array"; v: Val[] };

const NIL: Val = { t: "nil" };

function conjuncts(e: FieldExpr): FieldExpr[] {
  if (e.type === "binary" && e.op === "&&") return [...conjuncts(e.left), ...conjuncts(e.right)];
  return [e];
}

function isLogic(e: FieldExpr): boolean {
  if (e.type === "binary") return e.op === "||" || e.op === "&&";
  return e.type === "unary" && e.op === "!" && yieldsBool(e.operand);
}

const COMPARISONS = ["=", "!=", "<", "<=", ">", ">=", "=~", "!~"];

/** Expressions that are true or false on every span; others are values, which may be nil. */
function yieldsBool(e: FieldExpr): boolean {
  if (e.type === "exists") return true;
  if (e.type === "static") return e.value.type === "bool";
  if (e.type === "unary") return e.op === "!" && yieldsBool(e.operand);
  return e.type === "binary" && (COMPARISONS.includes(e.op) || e.op === "&&" || e.op === "||");
}

/** Whether the operands of a comparison read events or links, those of inner comparisons apart. */
function uses(e: FieldExpr, list: "event" | "link", root = true): boolean {
  if (!root && yieldsBool(e)) return false;
  switch (e.type) {
    case "static":
      return false;
    case "field":
      return e.field.type === "intrinsic"
        ? e.field.name.startsWith(`${list}:`)
        : e.field.scope === list;
    case "unary":
    case "exists":
      return uses(e.operand, list, false);
    default:
      return uses(e.left, list, false) || uses(e.right, list, false);
  }
}

function condition(e: FieldExpr, span: TestSpan, scope: Scope, beside: boolean): boolean {
  if (e.type === "binary" && (e.op === "&&" || e.op === "||")) {
    const left = condition(e.left, span, scope, true);
    const right = condition(e.right, span, scope, true);
    return e.op === "&&" ? left && right : left || right;
  }
  if (e.type === "unary" && e.op === "!" && yieldsBool(e.operand)) {
    return !condition(e.operand, span, scope, false);
  }
  const events = uses(e, "event") ? span.events : [undefined];
  const links = uses(e, "link") ? span.links : [undefined];
  return events.some((event) => links.some((link) => atom(e, span, { event, link }, beside)));
}

function atom(e: FieldExpr, span: TestSpan, scope: Scope, beside: boolean): boolean {
  if (e.type === "exists") {
    const v = value(e.operand, span, scope);
    if (v.t === "empty") return false;
    return e.negated ? v.t === "nil" : v.t !== "nil";
  }
  if (e.type === "binary" && COMPARISONS.includes(e.op)) {
    const left = value(e.left, span, scope);
    const right = value(e.right, span, scope);
    if (e.op === "=~" || e.op === "!~") {
      const pattern = RE2JS.compile(right.t === "string" ? right.v : "", RE2JS.DOTALL);
      const matches = (v: Val) => v.t === "string" && pattern.matches(v.v);
      if (left.t === "string") return matches(left) === (e.op === "=~");
      if (left.t !== "array" || left.v[0]!.t !== "string") return false;
      return left.v.some(matches) === (e.op === "=~");
    }
    return compare(e.op, left, right, e);
  }
  const v = value(e, span, scope);
  const one = single(v);
  if (one.t === "bool") return one.v;
  return beside && v.t === "array" && v.v.some((item) => item.t === "bool" && item.v);
}

/** A one-element array behaves as its element. */
function single(v: Val): Val {
  return v.t === "array" && v.v.length === 1 ? v.v[0]! : v;
}

function compare(op: string, l: Val, r: Val, e: FieldExpr & { type: "binary" }): boolean {
  const left = single(l);
  const right = single(r);
  if (left.t === "array" && right.t === "array") return false;
  if (left.t === "array") return compareArray(op, left.v, right, (a, b, o) => scalars(o, a, b, e));
  if (right.t === "array") {
    return compareArray(op, right.v, left, (a, b, o) => scalars(o, b, a, e));
  }
  return scalars(op, left, right, e) ?? false;
}

function compareArray(
  op: string,
  items: Val[],
  other: Val,
  test: (item: Val, other: Val, op: string) => boolean | undefined,
): boolean {
  if (test(items[0]!, other, op) === undefined) return false;
  if (op === "!=") return !items.some((item) => test(item, other, "=") === true);
  return items.some((item) => test(item, other, op) === true);
}

/** Undefined where the operator has no meaning for these types. */
function scalars(
  op: string,
  l: Val,
  r: Val,
  e: FieldExpr & { type: "binary" },
): boolean | undefined {
  const numeric = (v: Val) => v.t === "int" || v.t === "duration" || v.t === "float";
  if (numeric(l) && numeric(r)) {
    if (l.t === "float" || r.t === "float")
      return order(op, Number((l as { v: number }).v), Number((r as { v: number }).v));
    return order(op, (l as { v: bigint }).v, (r as { v: bigint }).v);
  }
  if (l.t !== r.t) return undefined;
  if (l.t === "string" && r.t === "string") {
    const idLeft = l.id !== undefined && e.right.type === "static" && e.left.type !== "static";
    const idRight = r.id !== undefined && e.left.type === "static" && e.right.type !== "static";
    if ((op === "=" || op === "!=") && (idLeft || idRight)) {
      const id = idLeft ? l.v : r.v;
      const literal = idLeft ? r.v : l.v;
      const equal = /^[0-9a-f]+$/i.test(literal) && BigInt(`0x${literal}`) === BigInt(`0x0${id}`);
      return equal === (op === "=");
    }
    return order(op, Buffer.compare(Buffer.from(l.v), Buffer.from(r.v)), 0);
  }
  if ("v" in l && "v" in r && (l.t === "bool" || l.t === "status" || l.t === "kind")) {
    if (op === "=") return l.v === r.v;
    if (op === "!=") return l.v !== r.v;
  }
  return undefined;
}

function order(op: string, a: number | bigint, b: number | bigint): boolean {
  if (op === "=") return a === b;
  if (op === "!=") return a !== b;
  if (op === "<") return a < b;
  if (op === "<=") return a <= b;
  if (op === ">") return a > b;
  return a >= b;
}

function value(e: FieldExpr, span: TestSpan, scope: Scope): Val {
  if (e.type !== "static" && yieldsBool(e)) return { t: "bool", v: condition(e, span, {}, false) };
  switch (e.type) {
    case "static":
      return literal(e.value);
    case "field":
      return field(e.field, span, scope);
    case "unary": {
      const v = single(value(e.operand, span, scope));
      if (e.op === "!") return v.t === "bool" ? { t: "bool", v: !v.v } : NIL;
      if (v.t === "float") return { t: "float", v: -v.v };
      if (v.t === "int" || v.t === "duration") return { t: v.t, v: BigInt.asIntN(64, -v.v) };
      return NIL;
    }
    case "binary":
      return arithmetic(
        e.op,
        single(value(e.left, span, scope)),
        single(value(e.right, span, scope)),
      );
    default:
      throw new Error("unreachable");
  }
}

function literal(s: Static): Val {
  if (s.type === "status") return { t: "status", v: ["unset", "ok", "error"].indexOf(s.value) };
  if (s.type === "kind") {
    const words = ["unspecified", "internal", "server", "client", "producer", "consumer"];
    return { t: "kind", v: words.indexOf(s.value) };
  }
  return { t: s.type, v: s.value } as Val;
}

function arithmetic(op: string, l: Val, r: Val): Val {
  if (l.t === "int" && r.t === "int") {
    const [a, b] = [l.v, r.v];
    if ((op === "/" || op === "%") && b === 0n) return NIL;
    if (op === "^") {
      const p = Math.trunc(Number(a) ** Number(b));
      if (p >= 2 ** 63) return { t: "int", v: 2n ** 63n - 1n };
      if (p <= -(2 ** 63)) return { t: "int", v: -(2n ** 63n) };
      return { t: "int", v: BigInt(p) };
    }
    const exact =
      op === "+" ? a + b : op === "-" ? a - b : op === "*" ? a * b : op === "/" ? a / b : a % b;
    return { t: "int", v: BigInt.asIntN(64, exact) };
  }
  const number = (v: Val) =>
    v.t === "int" || v.t === "duration" || v.t === "float" ? Number(v.v) : undefined;
  const a = number(l);
  const b = number(r);
  if (a === undefined || b === undefined) return NIL;
  if (op === "^")
    return { t: "float", v: a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b };
  const v =
    op === "+" ? a + b : op === "-" ? a - b : op === "*" ? a * b : op === "/" ? a / b : a % b;
  return { t: "float", v };
}

function attribute(attributes: TestAttributes, key: string): Val {
  if (!Object.hasOwn(attributes, key)) return NIL;
  const stored = attributes[key]!;
  switch (typeof stored) {
    case "string":
      return { t: "string", v: stored };
    case "bigint":
      return { t: "int", v: stored };
    case "number":
      return { t: "float", v: stored };
    case "boolean":
      return { t: "bool", v: stored };
    default:
      return array(JSON.parse(stored.json));
  }
}

/** Homogeneous arrays of scalars; everything else is not queryable, so absent. */
function array(any: { arrayValue?: { values?: Record<string, unknown>[] } }): Val {
  if (any.arrayValue === undefined) return NIL;
  const values = any.arrayValue.values ?? [];
  if (values.length === 0) return { t: "empty" };
  const items = values.map((entry): Val => {
    if (typeof entry.stringValue === "string") return { t: "string", v: entry.stringValue };
    if (typeof entry.intValue === "string") return { t: "int", v: BigInt(entry.intValue) };
    if (entry.doubleValue !== undefined) return { t: "float", v: Number(entry.doubleValue) };
    if (typeof entry.boolValue === "boolean") return { t: "bool", v: entry.boolValue };
    return NIL;
  });
  const [first] = items;
  if (first!.t === "nil" || items.some((item) => item.t !== first!.t)) return NIL;
  return { t: "array", v: items };
}

function resource(span: TestSpan, key: string): Val {
  const v = attribute(span.resource, key);
  return v.t === "nil" && key === "service.name" ? { t: "string", v: "" } : v;
}

function field(f: FieldRef, span: TestSpan, scope: Scope): Val {
  if (f.type === "parent-attribute") throw new Error("not supported");
  if (f.type === "attribute") {
    switch (f.scope) {
      case "any": {
        const own = attribute(span.attributes, f.key);
        return own.t === "nil" ? resource(span, f.key) : own;
      }
      case "span":
        return attribute(span.attributes, f.key);
      case "resource":
        return resource(span, f.key);
      case "instrumentation":
        return attribute(span.scope, f.key);
      case "event":
        return attribute(scope.event!.attributes, f.key);
      default:
        return attribute(scope.link!.attributes, f.key);
    }
  }
  const string = (v: string): Val => ({ t: "string", v });
  const int = (v: number): Val => ({ t: "int", v: BigInt(v) });
  const spanId = (id: bigint): Val => ({
    t: "string",
    v: id.toString(16).padStart(16, "0"),
    id: "span",
  });
  const traceId = (id: string): Val => ({ t: "string", v: id.replace(/^0+/, ""), id: "trace" });
  switch (f.name) {
    case "name":
      return string(span.name);
    case "duration":
      return { t: "duration", v: span.duration };
    case "status":
      return { t: "status", v: span.status };
    case "statusMessage":
      return string(span.statusMessage);
    case "kind":
      return { t: "kind", v: span.kind };
    case "rootName":
      return string(span.rootName);
    case "rootServiceName":
      return string(span.rootService);
    case "traceDuration":
      return { t: "duration", v: span.traceDuration };
    case "nestedSetLeft":
      return int(span.nested[0]);
    case "nestedSetRight":
      return int(span.nested[1]);
    case "nestedSetParent":
      return int(span.nested[2]);
    case "span:childCount":
      return int(span.childCount);
    case "span:id":
      return spanId(span.spanId);
    case "span:parentID":
      return spanId(span.parentSpanId ?? 0n);
    case "trace:id":
      return traceId(span.traceId);
    case "event:name":
      return string(scope.event!.name);
    case "event:timeSinceStart":
      return { t: "duration", v: scope.event!.time - span.start };
    case "link:traceID":
      return traceId(scope.link!.traceId);
    case "link:spanID":
      return spanId(scope.link!.spanId);
    case "instrumentation:name":
      return string(span.scopeName);
    case "instrumentation:version":
      return string(span.scopeVersion);
    default:
      throw new Error("not supported");
  }
}
