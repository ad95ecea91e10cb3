import { type AttributeColumns, AttributeType } from "../../src/model/attribute-columns.ts";
import { SpanBatch } from "../../src/model/span-batch.ts";
import type { PlainAttribute, PlainResource, PlainScope, PlainSpan } from "./read-batch.ts";

/** A span of trace 1 with nothing special; `over` replaces fields. */
export function aSpan(over: Partial<PlainSpan> = {}): PlainSpan {
  return {
    traceId: traceIdOf(1),
    spanId: spanIdOf(1),
    parentSpanId: "",
    traceState: "",
    name: "op",
    kind: 1,
    startUnixNano: 1_767_225_600_000_000_000n,
    endUnixNano: 1_767_225_600_001_000_000n,
    status: 0,
    statusMessage: "",
    flags: 0,
    droppedAttributes: 0,
    droppedEvents: 0,
    droppedLinks: 0,
    attributes: [],
    events: [],
    links: [],
    resource: aResource(),
    scope: aScope(),
    ...over,
  };
}

export function aResource(over: Partial<PlainResource> = {}): PlainResource {
  return { attributes: [], droppedAttributes: 0, schemaUrl: "", serviceName: "", ...over };
}

/** A resource with `service.name` and what else is given. */
export function aService(name: string, attributes: PlainAttribute[] = []): PlainResource {
  return aResource({
    attributes: [{ key: "service.name", value: name }, ...attributes],
    serviceName: name,
  });
}

export function aScope(over: Partial<PlainScope> = {}): PlainScope {
  return { name: "", version: "", attributes: [], droppedAttributes: 0, schemaUrl: "", ...over };
}

export function traceIdOf(n: number | bigint): string {
  return n.toString(16).padStart(32, "0");
}

export function spanIdOf(n: number | bigint): string {
  return n.toString(16).padStart(16, "0");
}

/** A batch of the spans, in their order: the inverse of `readBatch`. */
export function batchOf(spans: readonly PlainSpan[]): SpanBatch {
  const batch = new SpanBatch(7);
  const { strings } = batch;
  // Equal objects share a row, as a decoder's interning does.
  const resources = new Map<PlainResource, number>();
  const scopes = new Map<PlainScope, number>();
  for (const span of spans) {
    let resource = resources.get(span.resource);
    if (resource === undefined) {
      const { attributes, droppedAttributes, schemaUrl, serviceName } = span.resource;
      pushAttributes(batch, batch.resourceAttributes, attributes);
      resource = batch.closeResource(
        droppedAttributes,
        strings.internText(schemaUrl),
        strings.internText(serviceName),
      );
      resources.set(span.resource, resource);
    }
    let scope = scopes.get(span.scope);
    if (scope === undefined) {
      const { name, version, attributes, droppedAttributes, schemaUrl } = span.scope;
      pushAttributes(batch, batch.scopeAttributes, attributes);
      scope = batch.closeScope(
        strings.internText(name),
        strings.internText(version),
        droppedAttributes,
        strings.internText(schemaUrl),
      );
      scopes.set(span.scope, scope);
    }
    const row = batch.openSpan();
    batch.traceIndex[row] = batch.internTrace(hexBytes(span.traceId, 16), 0);
    setU64(batch.spanId, row, BigInt(`0x0${span.spanId}`));
    setU64(batch.parentSpanId, row, BigInt(`0x0${span.parentSpanId}`));
    setU64(batch.start, row, span.startUnixNano);
    setU64(batch.end, row, span.endUnixNano);
    batch.name[row] = strings.internText(span.name);
    batch.kind[row] = span.kind;
    batch.status[row] = span.status;
    batch.statusMessage[row] = strings.internText(span.statusMessage);
    batch.traceState[row] = strings.internText(span.traceState);
    batch.flags[row] = span.flags;
    batch.droppedAttributes[row] = span.droppedAttributes;
    batch.droppedEvents[row] = span.droppedEvents;
    batch.droppedLinks[row] = span.droppedLinks;
    batch.resource[row] = resource;
    batch.scope[row] = scope;
    pushAttributes(batch, batch.attributes, span.attributes);
    for (const event of span.events) {
      const e = batch.openEvent();
      setU64(batch.eventTime, e, event.timeUnixNano);
      batch.eventName[e] = strings.internText(event.name);
      batch.eventDropped[e] = event.droppedAttributes;
      pushAttributes(batch, batch.eventAttributes, event.attributes);
      batch.closeEvent();
    }
    for (const link of span.links) {
      const l = batch.openLink();
      batch.linkTraceId.set(hexBytes(link.traceId, 16), 16 * l);
      setU64(batch.linkSpanId, l, BigInt(`0x0${link.spanId}`));
      batch.linkTraceState[l] = strings.internText(link.traceState);
      batch.linkFlags[l] = link.flags;
      batch.linkDropped[l] = link.droppedAttributes;
      pushAttributes(batch, batch.linkAttributes, link.attributes);
      batch.closeLink();
    }
    batch.closeSpan();
  }
  return batch;
}

/** Pushes the attributes; `closeResource` and the like close the owner, so nothing else does. */
function pushAttributes(
  batch: SpanBatch,
  columns: AttributeColumns,
  attributes: readonly PlainAttribute[],
): void {
  for (const { key, value } of attributes) {
    const id = batch.strings.internText(key);
    if (typeof value === "string") {
      columns.push(id, AttributeType.string, batch.strings.internText(value), 0);
    } else if (typeof value === "boolean") columns.push(id, AttributeType.bool, value ? 1 : 0, 0);
    else if (typeof value === "bigint") {
      const bits = BigInt.asUintN(64, value);
      columns.push(id, AttributeType.int, Number(bits & 0xffffffffn), Number(bits >> 32n));
    } else if (typeof value === "number") {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, value);
      columns.push(id, AttributeType.double, view.getUint32(4), view.getUint32(0));
    } else columns.push(id, AttributeType.json, batch.strings.internText(value.json), 0);
  }
}

function setU64(column: Uint32Array, i: number, value: bigint): void {
  column[2 * i] = Number(value & 0xffffffffn);
  column[2 * i + 1] = Number(value >> 32n);
}

function hexBytes(hex: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; 2 * i < hex.length; i++)
    bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
