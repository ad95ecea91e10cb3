import type {
  Attribute,
  InstrumentationScope,
  ResourceSpans,
  Span,
  SpanEvent,
  SpanLink,
  Trace,
} from "../../query/trace.ts";
import { traceIdFromHex } from "../../query/trace-id.ts";
import { anyValueToJson, base64OfBytes, type KeyValueJson } from "./any-value.ts";
import { spanKindName, statusCodeName } from "./enum-names.ts";
import { decimalUnlessZero, unlessDefault } from "./json-text.ts";
import { visibleAttributes } from "./visible-resource.ts";

/** Protobuf's JSON of the resource groups: ids in base64, 64-bit numbers as strings. */
export function resourceSpansToJson(trace: Trace): unknown[] {
  const base64Id = base64IdCache();
  return trace.resourceSpans.map((group) => resourceSpans(group, base64Id));
}

type Base64Id = (traceId: string) => string;

function resourceSpans({ resource, scopeSpans }: ResourceSpans, base64Id: Base64Id): unknown {
  return {
    resource: {
      attributes: attributes(visibleAttributes(resource)),
      droppedAttributesCount: unlessDefault(resource.droppedAttributesCount),
    },
    scopeSpans: scopeSpans.map((group) => ({
      scope: scope(group.scope),
      spans: group.spans.map((one) => span(one, base64Id)),
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

function span(value: Span, base64Id: Base64Id): unknown {
  return {
    traceId: base64Id(value.traceId),
    spanId: base64SpanId(value.spanId),
    traceState: unlessDefault(value.traceState),
    parentSpanId: value.parentSpanId === undefined ? undefined : base64SpanId(value.parentSpanId),
    flags: unlessDefault(value.flags),
    name: unlessDefault(value.name),
    kind: value.kind === 0 ? undefined : spanKindName(value.kind),
    startTimeUnixNano: decimalUnlessZero(value.startUnixNano),
    endTimeUnixNano: decimalUnlessZero(value.endUnixNano),
    attributes: attributes(value.attributes),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
    events: value.events.length === 0 ? undefined : value.events.map(event),
    droppedEventsCount: unlessDefault(value.droppedEventsCount),
    links: value.links.length === 0 ? undefined : value.links.map((one) => link(one, base64Id)),
    droppedLinksCount: unlessDefault(value.droppedLinksCount),
    status: {
      message: unlessDefault(value.statusMessage),
      code: value.statusCode === 0 ? undefined : statusCodeName(value.statusCode),
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

function link(value: SpanLink, base64Id: Base64Id): unknown {
  return {
    traceId: base64Id(value.traceId),
    spanId: base64SpanId(value.spanId),
    traceState: unlessDefault(value.traceState),
    attributes: attributes(value.attributes),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
    flags: unlessDefault(value.flags),
  };
}

function attributes(values: readonly Attribute[]): KeyValueJson[] | undefined {
  if (values.length === 0) return undefined;
  return values.map(({ key, value }) => ({
    key: key === "" ? undefined : key,
    value: anyValueToJson(value),
  })) as KeyValueJson[];
}

/** Nearly all ids of a trace are its own. */
function base64IdCache(): Base64Id {
  let lastHex = "";
  let last = "";
  return (hex) => {
    if (hex !== lastHex) {
      lastHex = hex;
      last = base64OfBytes(traceIdFromHex(hex));
    }
    return last;
  };
}

function base64SpanId(id: bigint): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, id);
  return base64OfBytes(bytes);
}
