import type {
  Attribute,
  AttributeValue,
  InstrumentationScope,
  ResourceSpans,
  Span,
  SpanEvent,
  SpanLink,
  Trace,
} from "../../query/trace.ts";
import { anyValueToJson } from "./any-value.ts";
import { decimalUnlessZero, unlessDefault } from "./json-text.ts";

/**
 * A trace as TracesData in OTLP/JSON, as the OpenTelemetry specification has it and the Collector
 * reads and writes it: ids in hex, enums as numbers. All that is stored is in it, and nothing else.
 */
export function traceToOtlpJson(trace: Trace): string {
  return JSON.stringify({ resourceSpans: trace.resourceSpans.map(resourceSpans) });
}

function resourceSpans({ resource, scopeSpans }: ResourceSpans): unknown {
  return {
    resource: {
      attributes: attributes(resource.attributes),
      droppedAttributesCount: unlessDefault(resource.droppedAttributesCount),
    },
    scopeSpans: scopeSpans.map((group) => ({
      scope: scope(group.scope),
      spans: group.spans.map(span),
      schemaUrl: unlessDefault(group.scope.schemaUrl),
    })),
    schemaUrl: unlessDefault(resource.schemaUrl),
  };
}

function scope(value: InstrumentationScope): unknown {
  return {
    name: unlessDefault(value.name),
    version: unlessDefault(value.version),
    attributes: attributes(value.attributes),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
  };
}

function span(value: Span): unknown {
  return {
    traceId: value.traceId,
    spanId: hexSpanId(value.spanId),
    traceState: unlessDefault(value.traceState),
    parentSpanId: value.parentSpanId === undefined ? undefined : hexSpanId(value.parentSpanId),
    flags: unlessDefault(value.flags),
    name: unlessDefault(value.name),
    kind: unlessDefault(value.kind),
    startTimeUnixNano: decimalUnlessZero(value.startUnixNano),
    endTimeUnixNano: decimalUnlessZero(value.endUnixNano),
    attributes: attributes(value.attributes),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
    events: value.events.length === 0 ? undefined : value.events.map(event),
    droppedEventsCount: unlessDefault(value.droppedEventsCount),
    links: value.links.length === 0 ? undefined : value.links.map(link),
    droppedLinksCount: unlessDefault(value.droppedLinksCount),
    status: {
      message: unlessDefault(value.statusMessage),
      code: unlessDefault(value.statusCode),
    },
  };
}

function event(value: SpanEvent): unknown {
  return {
    timeUnixNano: decimalUnlessZero(value.timeUnixNano),
    name: unlessDefault(value.name),
    attributes: attributes(value.attributes),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
  };
}

function link(value: SpanLink): unknown {
  return {
    traceId: value.traceId,
    spanId: hexSpanId(value.spanId),
    traceState: unlessDefault(value.traceState),
    attributes: attributes(value.attributes),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
    flags: unlessDefault(value.flags),
  };
}

function attributes(values: readonly Attribute[]): unknown {
  if (values.length === 0) return undefined;
  return values.map(({ key, value }) => ({ key: unlessDefault(key), value: anyValue(value) }));
}

function anyValue(value: AttributeValue): unknown {
  return withNegativeZero(anyValueToJson(value));
}

/** JSON's writer has no -0; a double may be text, too. */
function withNegativeZero(value: unknown): unknown {
  if (Object.is(value, -0)) return "-0";
  if (Array.isArray(value)) return value.map(withNegativeZero);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, withNegativeZero(each)]),
  );
}

function hexSpanId(id: bigint): string {
  return id.toString(16).padStart(16, "0");
}
