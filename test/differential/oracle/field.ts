import type { FieldRef, IntrinsicName } from "../../../src/traceql/ast.ts";
import type {
  PlainAttribute,
  PlainEvent,
  PlainLink,
  PlainValue,
} from "../../support/read-batch.ts";
import type { OracleSpan } from "./trace.ts";
import { int, NIL, string, type Value } from "./value.ts";

/** The event and link that a comparison is being tried on. */
export type Item = {
  readonly event?: PlainEvent | undefined;
  readonly link?: PlainLink | undefined;
};

/** Which list of the span a field reads, if any. */
export function listOf(field: FieldRef): "event" | "link" | undefined {
  if (field.type === "parent-attribute") return undefined;
  const text = field.type === "intrinsic" ? field.name : `${field.scope}:`;
  if (text.startsWith("event:")) return "event";
  return text.startsWith("link:") ? "link" : undefined;
}

/** The field's value; one of events or links is that of `item`, without it the first that has it. */
export function fieldValue(field: FieldRef, span: OracleSpan, item: Item): Value {
  const list = listOf(field);
  if (list === "event") {
    const events = item.event === undefined ? span.events : [item.event];
    return first(events, (event) => eventValue(field, event, span));
  }
  if (list === "link") {
    const links = item.link === undefined ? span.links : [item.link];
    return first(links, (link) => linkValue(field, link));
  }
  if (field.type === "intrinsic") return intrinsicValue(field.name, span);
  if (field.type === "parent-attribute") {
    return span.parent === undefined ? NIL : scopedValue(field.scope, field.key, span.parent);
  }
  return scopedValue(field.scope, field.key, span);
}

function first<T>(items: readonly T[], value: (item: T) => Value): Value {
  return items.map(value).find((v) => v.t !== "nil") ?? NIL;
}

function scopedValue(scope: string, key: string, span: OracleSpan): Value {
  switch (scope) {
    case "span":
      return attribute(span.attributes, key);
    case "resource":
      return resourceValue(key, span);
    case "instrumentation":
      return attribute(span.scope.attributes, key);
    default: {
      const own = attribute(span.attributes, key);
      return own.t === "nil" ? resourceValue(key, span) : own;
    }
  }
}

/** `resource.service.name` is never absent. */
export function resourceValue(key: string, span: OracleSpan): Value {
  const value = attribute(span.resource.attributes, key);
  return value.t === "nil" && key === "service.name" ? string("") : value;
}

export function attribute(attributes: readonly PlainAttribute[], key: string): Value {
  const found = attributes.find((a) => a.key === key);
  return found === undefined ? NIL : storedValue(found.value);
}

export function storedValue(stored: PlainValue): Value {
  switch (typeof stored) {
    case "string":
      return string(stored);
    case "bigint":
      return { t: "int", v: stored };
    case "number":
      return { t: "float", v: stored };
    case "boolean":
      return { t: "bool", v: stored };
    default:
      return arrayValue(JSON.parse(stored.json));
  }
}

type Json = { arrayValue?: { values?: Record<string, unknown>[] } };

/** Arrays of scalars of one type; whatever else OTLP can hold is not queryable, so absent. */
function arrayValue(any: Json): Value {
  if (any.arrayValue === undefined) return NIL;
  const values = any.arrayValue.values ?? [];
  if (values.length === 0) return { t: "empty" };
  const items = values.map((entry): Value => {
    if (typeof entry.stringValue === "string") return string(entry.stringValue);
    if (typeof entry.intValue === "string") return { t: "int", v: BigInt(entry.intValue) };
    if (entry.doubleValue !== undefined) return { t: "float", v: Number(entry.doubleValue) };
    if (typeof entry.boolValue === "boolean") return { t: "bool", v: entry.boolValue };
    return NIL;
  });
  const type = items[0]!.t;
  return type === "nil" || items.some((item) => item.t !== type) ? NIL : { t: "array", v: items };
}

function eventValue(field: FieldRef, event: PlainEvent, span: OracleSpan): Value {
  if (field.type !== "intrinsic") return attribute(event.attributes, field.key);
  if (field.name === "event:name") return string(event.name);
  return { t: "duration", v: event.timeUnixNano - span.startUnixNano };
}

function linkValue(field: FieldRef, link: PlainLink): Value {
  if (field.type !== "intrinsic") return attribute(link.attributes, field.key);
  return field.name === "link:traceID" ? traceIdValue(link.traceId) : spanIdValue(link.spanId);
}

function traceIdValue(hex: string): Value {
  return { t: "string", v: hex.replace(/^0+/, ""), id: true };
}

function spanIdValue(hex: string): Value {
  return { t: "string", v: hex.padStart(16, "0"), id: true };
}

function intrinsicValue(name: IntrinsicName, span: OracleSpan): Value {
  const { root } = span.trace;
  switch (name) {
    case "name":
      return string(span.name);
    case "duration":
      return { t: "duration", v: span.endUnixNano - span.startUnixNano };
    case "status":
      return { t: "status", v: span.status };
    case "statusMessage":
      return string(span.statusMessage);
    case "kind":
      return { t: "kind", v: span.kind };
    case "rootName":
      return string(root?.name ?? "");
    case "rootServiceName":
      return string(root === undefined ? "" : serviceName(root));
    case "traceDuration":
      return { t: "duration", v: span.trace.durationNanos };
    case "nestedSetLeft":
      return int(span.left);
    case "nestedSetRight":
      return int(span.right);
    case "nestedSetParent":
      return int(span.parentLeft);
    case "span:childCount":
      return int(span.childCount);
    case "span:id":
      return spanIdValue(span.spanId);
    case "span:parentID":
      return spanIdValue(span.parentSpanId);
    case "trace:id":
      return traceIdValue(span.traceId);
    case "instrumentation:name":
      return string(span.scope.name);
    case "instrumentation:version":
      return string(span.scope.version);
    default:
      throw new Error(`${name} has no value of a span`);
  }
}

export function serviceName(span: OracleSpan): string {
  const value = resourceValue("service.name", span);
  return value.t === "string" ? value.v : "";
}
