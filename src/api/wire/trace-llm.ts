import type { Attribute, ResourceSpans, Span, Trace } from "../../query/trace.ts";
import { spanIdToHex } from "../../query/trace-id.ts";
import { type AnyValueJson, anyValueToJson, bytesOfBase64, doubleOfJson } from "./any-value.ts";
import { spanKindName, statusCodeName } from "./enum-names.ts";
import { unlessDefault } from "./json-text.ts";

/** The compact form for language models: hex ids, attributes as flat maps. */
export function traceToLlm(trace: Trace, inspectedBytes: number): unknown {
  const first = trace.resourceSpans[0]?.scopeSpans[0]?.spans[0];
  if (first === undefined) return {};
  return {
    trace: { traceId: first.traceId, services: trace.resourceSpans.map(service) },
    metrics: inspectedBytes > 0 ? { inspectedBytes } : undefined,
  };
}

function service({ resource, scopeSpans }: ResourceSpans): unknown {
  const serviceName = resource.attributes.find(({ key }) => key === "service.name")?.value;
  const rest = resource.attributes.filter(({ key }) => key !== "service.name");
  return {
    serviceName: typeof serviceName === "string" ? serviceName : "",
    resource: flatMap(rest),
    scopes: scopeSpans.map(({ scope, spans }) => ({
      name: unlessDefault(scope.name),
      version: unlessDefault(scope.version),
      spans: spans.map(span),
    })),
  };
}

function span(value: Span): unknown {
  return {
    spanId: spanIdToHex(value.spanId),
    name: value.name,
    parentSpanId: value.parentSpanId === undefined ? undefined : spanIdToHex(value.parentSpanId),
    kind: value.kind === 0 ? undefined : spanKindName(value.kind),
    startTimeUnixNano: value.startUnixNano.toString(),
    endTimeUnixNano: value.endUnixNano.toString(),
    durationMs: Number(value.endUnixNano - value.startUnixNano) / 1e6,
    attributes: flatMap(value.attributes),
    events:
      value.events.length === 0
        ? undefined
        : value.events.map((event) => ({
            name: event.name,
            timeUnixNano: event.timeUnixNano.toString(),
            attributes: flatMap(event.attributes),
          })),
    links:
      value.links.length === 0
        ? undefined
        : value.links.map((link) => ({
            traceId: link.traceId,
            spanId: spanIdToHex(link.spanId),
            attributes: flatMap(link.attributes),
          })),
    status: { code: statusCodeName(value.statusCode), message: value.statusMessage },
  };
}

function flatMap(attributes: readonly Attribute[]): unknown {
  if (attributes.length === 0) return undefined;
  return objectOf(attributes.map(({ key, value }) => [key, plainValue(anyValueToJson(value))]));
}

function plainValue(value: AnyValueJson): unknown {
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) return plainInt(value.intValue);
  if (value.doubleValue !== undefined) {
    const double = doubleOfJson(value.doubleValue);
    return Number.isFinite(double) ? double : String(double);
  }
  if (value.bytesValue !== undefined) {
    let hex = "";
    for (const byte of bytesOfBase64(value.bytesValue)) hex += byte.toString(16).padStart(2, "0");
    return hex;
  }
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plainValue);
  if (value.kvlistValue !== undefined) {
    const entries = value.kvlistValue.values ?? [];
    return objectOf(entries.map((entry) => [entry.key ?? "", plainValue(entry.value ?? {})]));
  }
  return null;
}

/** A JSON number holds it exactly, or it stays text. */
function plainInt(text: string): number | string {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

/** `Object.fromEntries` defines own properties, so a key like `__proto__` is data. */
function objectOf(entries: readonly (readonly [string, unknown])[]): unknown {
  return Object.fromEntries(entries);
}
