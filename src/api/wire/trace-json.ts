import type {
  Attribute,
  AttributeValue,
  InstrumentationScope,
  Resource,
  ResourceSpans,
  Span,
  SpanEvent,
  SpanLink,
  Trace,
} from "../../query/trace.ts";
import { traceIdFromHex } from "../../query/trace-id.ts";
import { anyValueToJson, base64OfBytes } from "./any-value.ts";
import { spanKindName, statusCodeName } from "./enum-names.ts";
import { decimalUnlessZero, unlessDefault } from "./json-text.ts";
import { visibleAttributes } from "./visible-resource.ts";

/** In what the JSON of protobuf and the one of OTLP differ. */
export type TraceJsonForm = {
  /** Of 32 hex digits. */
  readonly traceId: (hex: string) => string;
  readonly spanId: (id: bigint) => string;
  readonly kind: (kind: number) => string | number;
  readonly statusCode: (code: number) => string | number;
  readonly resourceAttributes: (resource: Resource) => readonly Attribute[];
  readonly anyValue: (value: AttributeValue) => unknown;
};

/** Protobuf's JSON of the resource groups: ids in base64, 64-bit numbers as strings. */
export function resourceSpansToJson(trace: Trace): unknown[] {
  return resourceSpansInForm(trace, {
    traceId: base64IdCache(),
    spanId: base64SpanId,
    kind: spanKindName,
    statusCode: statusCodeName,
    resourceAttributes: visibleAttributes,
    anyValue: anyValueToJson,
  });
}

export function resourceSpansInForm(trace: Trace, form: TraceJsonForm): unknown[] {
  return trace.resourceSpans.map((group) => resourceSpans(group, form));
}

function resourceSpans({ resource, scopeSpans }: ResourceSpans, form: TraceJsonForm): unknown {
  return {
    resource: {
      attributes: attributes(form.resourceAttributes(resource), form),
      droppedAttributesCount: unlessDefault(resource.droppedAttributesCount),
    },
    scopeSpans: scopeSpans.map((group) => ({
      scope: scope(group.scope, form),
      spans: group.spans.map((one) => span(one, form)),
      schemaUrl: unlessDefault(group.scope.schemaUrl),
    })),
    schemaUrl: unlessDefault(resource.schemaUrl),
  };
}

function scope(value: InstrumentationScope, form: TraceJsonForm): unknown {
  return {
    name: unlessDefault(value.name),
    version: unlessDefault(value.version),
    attributes: attributes(value.attributes, form),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
  };
}

function span(value: Span, form: TraceJsonForm): unknown {
  return {
    traceId: form.traceId(value.traceId),
    spanId: form.spanId(value.spanId),
    traceState: unlessDefault(value.traceState),
    parentSpanId: value.parentSpanId === undefined ? undefined : form.spanId(value.parentSpanId),
    flags: unlessDefault(value.flags),
    name: unlessDefault(value.name),
    kind: value.kind === 0 ? undefined : form.kind(value.kind),
    startTimeUnixNano: decimalUnlessZero(value.startUnixNano),
    endTimeUnixNano: decimalUnlessZero(value.endUnixNano),
    attributes: attributes(value.attributes, form),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
    events: value.events.length === 0 ? undefined : value.events.map((one) => event(one, form)),
    droppedEventsCount: unlessDefault(value.droppedEventsCount),
    links: value.links.length === 0 ? undefined : value.links.map((one) => link(one, form)),
    droppedLinksCount: unlessDefault(value.droppedLinksCount),
    status: {
      message: unlessDefault(value.statusMessage),
      code: value.statusCode === 0 ? undefined : form.statusCode(value.statusCode),
    },
  };
}

function event(value: SpanEvent, form: TraceJsonForm): unknown {
  return {
    timeUnixNano: decimalUnlessZero(value.timeUnixNano),
    name: unlessDefault(value.name),
    attributes: attributes(value.attributes, form),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
  };
}

function link(value: SpanLink, form: TraceJsonForm): unknown {
  return {
    traceId: form.traceId(value.traceId),
    spanId: form.spanId(value.spanId),
    traceState: unlessDefault(value.traceState),
    attributes: attributes(value.attributes, form),
    droppedAttributesCount: unlessDefault(value.droppedAttributesCount),
    flags: unlessDefault(value.flags),
  };
}

function attributes(values: readonly Attribute[], form: TraceJsonForm): unknown {
  if (values.length === 0) return undefined;
  return values.map(({ key, value }) => ({
    key: key === "" ? undefined : key,
    value: form.anyValue(value),
  }));
}

/** Nearly all ids of a trace are its own. */
function base64IdCache(): TraceJsonForm["traceId"] {
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
