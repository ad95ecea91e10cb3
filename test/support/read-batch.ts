import { type AttributeColumns, AttributeType } from "../../src/model/attribute-columns.ts";
import type { SpanBatch } from "../../src/model/span-batch.ts";

/** `int` as bigint, `double` as number, `json` as the text in an object. */
export type PlainValue = string | boolean | bigint | number | { json: string };
export type PlainAttribute = { key: string; value: PlainValue };

export type PlainResource = {
  attributes: PlainAttribute[];
  droppedAttributes: number;
  schemaUrl: string;
  serviceName: string;
};

export type PlainScope = {
  name: string;
  version: string;
  attributes: PlainAttribute[];
  droppedAttributes: number;
  schemaUrl: string;
};

export type PlainEvent = {
  timeUnixNano: bigint;
  name: string;
  attributes: PlainAttribute[];
  droppedAttributes: number;
};

/** Ids are hex, "" when absent. */
export type PlainLink = {
  traceId: string;
  spanId: string;
  traceState: string;
  flags: number;
  attributes: PlainAttribute[];
  droppedAttributes: number;
};

/** Ids are hex, `parentSpanId` is "" when there is none. */
export type PlainSpan = {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  traceState: string;
  name: string;
  kind: number;
  startUnixNano: bigint;
  endUnixNano: bigint;
  status: number;
  statusMessage: string;
  flags: number;
  droppedAttributes: number;
  droppedEvents: number;
  droppedLinks: number;
  attributes: PlainAttribute[];
  events: PlainEvent[];
  links: PlainLink[];
  resource: PlainResource;
  scope: PlainScope;
};

/** All spans of a batch as plain objects, in their order. */
export function readBatch(batch: SpanBatch): PlainSpan[] {
  const resources = range(0, batch.resourceCount, (i) => readResource(batch, i));
  const scopes = range(0, batch.scopeCount, (i) => readScope(batch, i));
  return range(0, batch.spanCount, (i) => ({
    traceId: hex(batch.traceIds, 16 * batch.traceIndex[i]!, 16),
    spanId: id64(batch.spanId, i),
    parentSpanId: id64(batch.parentSpanId, i),
    traceState: batch.strings.text(batch.traceState[i]!),
    name: batch.strings.text(batch.name[i]!),
    kind: batch.kind[i]!,
    startUnixNano: u64(batch.start, i),
    endUnixNano: u64(batch.end, i),
    status: batch.status[i]!,
    statusMessage: batch.strings.text(batch.statusMessage[i]!),
    flags: batch.flags[i]!,
    droppedAttributes: batch.droppedAttributes[i]!,
    droppedEvents: batch.droppedEvents[i]!,
    droppedLinks: batch.droppedLinks[i]!,
    attributes: readAttributes(batch, batch.attributes, i),
    events: range(batch.eventOffsets[i]!, batch.eventOffsets[i + 1]!, (e) => ({
      timeUnixNano: u64(batch.eventTime, e),
      name: batch.strings.text(batch.eventName[e]!),
      attributes: readAttributes(batch, batch.eventAttributes, e),
      droppedAttributes: batch.eventDropped[e]!,
    })),
    links: range(batch.linkOffsets[i]!, batch.linkOffsets[i + 1]!, (l) => ({
      traceId: zeroAsEmpty(hex(batch.linkTraceId, 16 * l, 16)),
      spanId: id64(batch.linkSpanId, l),
      traceState: batch.strings.text(batch.linkTraceState[l]!),
      flags: batch.linkFlags[l]!,
      attributes: readAttributes(batch, batch.linkAttributes, l),
      droppedAttributes: batch.linkDropped[l]!,
    })),
    resource: resources[batch.resource[i]!]!,
    scope: scopes[batch.scope[i]!]!,
  }));
}

function readResource(batch: SpanBatch, row: number): PlainResource {
  return {
    attributes: readAttributes(batch, batch.resourceAttributes, row),
    droppedAttributes: batch.resourceDropped[row]!,
    schemaUrl: batch.strings.text(batch.resourceSchemaUrl[row]!),
    serviceName: batch.strings.text(batch.resourceServiceName[row]!),
  };
}

function readScope(batch: SpanBatch, row: number): PlainScope {
  return {
    name: batch.strings.text(batch.scopeName[row]!),
    version: batch.strings.text(batch.scopeVersion[row]!),
    attributes: readAttributes(batch, batch.scopeAttributes, row),
    droppedAttributes: batch.scopeDropped[row]!,
    schemaUrl: batch.strings.text(batch.scopeSchemaUrl[row]!),
  };
}

export function readAttributes(
  batch: SpanBatch,
  columns: AttributeColumns,
  owner: number,
): PlainAttribute[] {
  return range(columns.offsets[owner]!, columns.offsets[owner + 1]!, (i) => ({
    key: batch.strings.text(columns.keys[i]!),
    value: readValue(batch, columns, i),
  }));
}

function readValue(batch: SpanBatch, columns: AttributeColumns, i: number): PlainValue {
  const lo = columns.values[2 * i]!;
  const type = columns.types[i]! as AttributeType;
  switch (type) {
    case AttributeType.string:
      return batch.strings.text(lo);
    case AttributeType.bool:
      return lo !== 0;
    case AttributeType.int:
      return BigInt.asIntN(64, u64(columns.values, i));
    case AttributeType.double: {
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, u64(columns.values, i));
      return view.getFloat64(0);
    }
    case AttributeType.json:
      return { json: batch.strings.text(lo) };
    default:
      throw new Error(`unknown attribute type ${type satisfies never}`);
  }
}

/** Pair `i` of a column of (lo, hi) pairs. */
export function u64(column: Uint32Array, i: number): bigint {
  return (BigInt(column[2 * i + 1]!) << 32n) | BigInt(column[2 * i]!);
}

function id64(column: Uint32Array, i: number): string {
  return zeroAsEmpty(u64(column, i).toString(16).padStart(16, "0"));
}

function hex(bytes: Uint8Array, at: number, length: number): string {
  let text = "";
  for (let i = at; i < at + length; i++) text += bytes[i]!.toString(16).padStart(2, "0");
  return text;
}

function zeroAsEmpty(id: string): string {
  return /^0+$/.test(id) ? "" : id;
}

function range<T>(from: number, to: number, make: (i: number) => T): T[] {
  return Array.from({ length: to - from }, (_, i) => make(from + i));
}
