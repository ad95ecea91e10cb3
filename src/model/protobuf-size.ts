import { type AttributeColumns, AttributeType } from "./attribute-columns.ts";
import type { SpanBatch } from "./span-batch.ts";

/**
 * Bytes that the spans from row `from` on take as an OTLP request in protobuf, as rate limits count
 * them whatever the wire format was: each resource and scope once for its spans. Exact but for the
 * outermost lengths, a few bytes for each scope, and values of type `json`, which count as text.
 */
export function otlpProtobufSize(batch: SpanBatch, from: number): number {
  let total = 0;
  let resource = -1;
  let scope = -1;
  const seenResources = new Set<number>();
  const seenScopes = new Set<number>();
  for (let row = from; row < batch.spanCount; row++) {
    if (batch.resource[row] !== resource || batch.scope[row] !== scope) {
      resource = batch.resource[row]!;
      scope = batch.scope[row]!;
      if (!seenResources.has(resource)) {
        seenResources.add(resource);
        total += messageBytes(resourceBytes(batch, resource));
      }
      const pair = resource * 0x100000000 + scope;
      if (!seenScopes.has(pair)) {
        seenScopes.add(pair);
        total += messageBytes(scopeBytes(batch, scope));
      }
    }
    total += messageBytes(spanProtobufSize(batch, row));
  }
  return total;
}

/** Bytes that the span takes as an OTLP `Span`; values of type `json` count as text. */
export function spanProtobufSize(batch: SpanBatch, row: number): number {
  // Two ids of 18 and 10 bytes, two times of 9.
  let bytes = 46;
  if ((batch.parentSpanId[2 * row]! | batch.parentSpanId[2 * row + 1]!) !== 0) bytes += 10;
  bytes += stringBytes(batch, batch.name[row]!) + stringBytes(batch, batch.traceState[row]!);
  if (batch.kind[row] !== 0) bytes += 2;
  if (batch.flags[row] !== 0) bytes += 6;
  if (batch.status[row] !== 0 || batch.statusMessage[row] !== 0) {
    const code = batch.status[row] === 0 ? 0 : 2;
    bytes += messageBytes(code + stringBytes(batch, batch.statusMessage[row]!));
  }
  bytes +=
    attributesBytes(batch, batch.attributes, row) + countBytes(batch.droppedAttributes[row]!);
  bytes += countBytes(batch.droppedEvents[row]!) + countBytes(batch.droppedLinks[row]!);
  for (let e = batch.eventOffsets[row]!; e < batch.eventOffsets[row + 1]!; e++) {
    const event = 9 + stringBytes(batch, batch.eventName[e]!);
    bytes += messageBytes(
      event + attributesBytes(batch, batch.eventAttributes, e) + countBytes(batch.eventDropped[e]!),
    );
  }
  for (let l = batch.linkOffsets[row]!; l < batch.linkOffsets[row + 1]!; l++) {
    const flags = batch.linkFlags[l] === 0 ? 0 : 5;
    const link = 28 + flags + stringBytes(batch, batch.linkTraceState[l]!);
    bytes += messageBytes(
      link + attributesBytes(batch, batch.linkAttributes, l) + countBytes(batch.linkDropped[l]!),
    );
  }
  return bytes;
}

function resourceBytes(batch: SpanBatch, row: number): number {
  const resource =
    attributesBytes(batch, batch.resourceAttributes, row) + countBytes(batch.resourceDropped[row]!);
  return messageBytes(resource) + stringBytes(batch, batch.resourceSchemaUrl[row]!);
}

function scopeBytes(batch: SpanBatch, row: number): number {
  const scope =
    stringBytes(batch, batch.scopeName[row]!) +
    stringBytes(batch, batch.scopeVersion[row]!) +
    attributesBytes(batch, batch.scopeAttributes, row) +
    countBytes(batch.scopeDropped[row]!);
  return messageBytes(scope) + stringBytes(batch, batch.scopeSchemaUrl[row]!);
}

function attributesBytes(batch: SpanBatch, columns: AttributeColumns, owner: number): number {
  const { keys, types, values } = columns;
  let bytes = 0;
  for (let i = columns.offsets[owner]!; i < columns.offsets[owner + 1]!; i++) {
    bytes += messageBytes(stringBytes(batch, keys[i]!) + valueBytes(batch, types[i]!, values, i));
  }
  return bytes;
}

function valueBytes(batch: SpanBatch, type: number, values: Uint32Array, i: number): number {
  const lo = values[2 * i]!;
  switch (type) {
    case AttributeType.bool:
      return 4;
    case AttributeType.double:
      return 11;
    case AttributeType.int:
      return 3 + varintBytes(lo, values[2 * i + 1]!);
    default: {
      // An empty string is written, since a oneof knows its member.
      const length = batch.strings.offsets[lo + 1]! - batch.strings.offsets[lo]!;
      return messageBytes(messageBytes(length));
    }
  }
}

function stringBytes(batch: SpanBatch, id: number): number {
  if (id === 0) return 0;
  return messageBytes(batch.strings.offsets[id + 1]! - batch.strings.offsets[id]!);
}

/** A one-byte tag, a length and so many bytes. */
function messageBytes(length: number): number {
  return 1 + varintBytes(length, 0) + length;
}

function countBytes(count: number): number {
  return count === 0 ? 0 : 1 + varintBytes(count, 0);
}

function varintBytes(lo: number, hi: number): number {
  let bytes = 1;
  if (hi !== 0) {
    bytes = 5;
    // The fifth byte holds three bits of `hi`.
    for (let rest = hi >>> 3; rest > 0; rest >>>= 7) bytes++;
    return bytes;
  }
  for (let rest = lo >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}
