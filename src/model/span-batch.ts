import { AttributeColumns, grownI32, grownU32 } from "./attribute-columns.ts";
import { StringTable } from "./string-table.ts";

/**
 * Decoded spans as columns: what every receiver's decoder fills and the segment writer reads. No
 * object or JS string exists per span or attribute. 64-bit values are pairs of u32 (lo, hi), so a
 * `BigUint64Array` over the same buffer reads them too. String-valued columns hold ids of
 * `strings`. Row `i` of a span column is span `i`; events and links are CSR lists like attributes.
 *
 * A decoder adds a request in one go: `mark()`, then traces, resources, scopes and spans, and on a
 * malformed body `rollback(mark)` (interned strings may stay; nothing refers to them).
 */
export class SpanBatch {
  readonly strings: StringTable;

  // Traces: 16 bytes each, interned, so that equal ids have equal indexes.
  traceCount = 0;
  traceIds: Uint8Array<ArrayBuffer>;
  #traceSlots: Uint32Array<ArrayBuffer>;

  // Resources and scopes: one row per distinct one (a decoder may intern them by raw bytes).
  resourceCount = 0;
  readonly resourceAttributes = new AttributeColumns();
  resourceDropped = new Uint32Array(16);
  resourceSchemaUrl = new Uint32Array(16);
  /** String id of the `service.name` string attribute, 0 when there is none. */
  resourceServiceName = new Uint32Array(16);
  scopeCount = 0;
  scopeName = new Uint32Array(16);
  scopeVersion = new Uint32Array(16);
  readonly scopeAttributes = new AttributeColumns();
  scopeDropped = new Uint32Array(16);
  scopeSchemaUrl = new Uint32Array(16);

  // Spans.
  spanCount = 0;
  #spanCapacity: number;
  traceIndex: Uint32Array<ArrayBuffer>;
  /** The 8 id bytes read as a big-endian number. */
  spanId: Uint32Array<ArrayBuffer>;
  /** (0, 0) = no parent. */
  parentSpanId: Uint32Array<ArrayBuffer>;
  /** Unsigned nanoseconds since 1970, as received. */
  start: Uint32Array<ArrayBuffer>;
  end: Uint32Array<ArrayBuffer>;
  name: Uint32Array<ArrayBuffer>;
  kind: Int32Array<ArrayBuffer>;
  status: Int32Array<ArrayBuffer>;
  statusMessage: Uint32Array<ArrayBuffer>;
  traceState: Uint32Array<ArrayBuffer>;
  flags: Uint32Array<ArrayBuffer>;
  droppedAttributes: Uint32Array<ArrayBuffer>;
  droppedEvents: Uint32Array<ArrayBuffer>;
  droppedLinks: Uint32Array<ArrayBuffer>;
  resource: Uint32Array<ArrayBuffer>;
  scope: Uint32Array<ArrayBuffer>;
  readonly attributes: AttributeColumns;

  // Events: those of span i are eventOffsets[i] .. eventOffsets[i + 1].
  eventOffsets: Uint32Array<ArrayBuffer>;
  eventCount = 0;
  eventTime = new Uint32Array(64);
  eventName = new Uint32Array(32);
  eventDropped = new Uint32Array(32);
  readonly eventAttributes = new AttributeColumns();

  // Links, likewise.
  linkOffsets: Uint32Array<ArrayBuffer>;
  linkCount = 0;
  /** 16 bytes each, zeros = absent. */
  linkTraceId = new Uint8Array(16 * 16);
  linkSpanId = new Uint32Array(32);
  linkTraceState = new Uint32Array(16);
  linkFlags = new Uint32Array(16);
  linkDropped = new Uint32Array(16);
  readonly linkAttributes = new AttributeColumns();

  /** `like` says how much room to begin with, e.g. `sizes` of a batch before this one. */
  constructor(seed: number, like: SpanBatchSizes = NO_SIZES) {
    this.strings = new StringTable(seed, like);
    this.#seed = seed >>> 0;
    const spans = Math.max(256, like.spans);
    const traces = Math.max(64, like.traces);
    this.#spanCapacity = spans;
    this.traceIds = new Uint8Array(16 * traces);
    this.#traceSlots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * traces + 2)));
    this.traceIndex = new Uint32Array(spans);
    this.spanId = new Uint32Array(2 * spans);
    this.parentSpanId = new Uint32Array(2 * spans);
    this.start = new Uint32Array(2 * spans);
    this.end = new Uint32Array(2 * spans);
    this.name = new Uint32Array(spans);
    this.kind = new Int32Array(spans);
    this.status = new Int32Array(spans);
    this.statusMessage = new Uint32Array(spans);
    this.traceState = new Uint32Array(spans);
    this.flags = new Uint32Array(spans);
    this.droppedAttributes = new Uint32Array(spans);
    this.droppedEvents = new Uint32Array(spans);
    this.droppedLinks = new Uint32Array(spans);
    this.resource = new Uint32Array(spans);
    this.scope = new Uint32Array(spans);
    this.attributes = new AttributeColumns(spans, Math.max(1024, like.attributes));
    this.eventOffsets = new Uint32Array(spans + 1);
    this.linkOffsets = new Uint32Array(spans + 1);
  }

  /** How much is in use: room for a batch of the same kind of spans. */
  get sizes(): SpanBatchSizes {
    return {
      spans: this.spanCount,
      traces: this.traceCount,
      attributes: this.attributes.count,
      strings: this.strings.count,
      bytes: this.strings.offsets[this.strings.count]!,
    };
  }
  readonly #seed: number;

  /** Index of the 16-byte trace id at `bytes[at]`. */
  internTrace(bytes: Uint8Array, at: number): number {
    let h = this.#seed;
    for (let i = at; i < at + 16; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
    h ^= h >>> 15;
    h = Math.imul(h, 0x2c1b3c6d);
    h = (h ^ (h >>> 13)) >>> 0;
    const mask = this.#traceSlots.length - 1;
    let slot = h & mask;
    probe: for (;;) {
      const found = this.#traceSlots[slot]!;
      if (found === 0) break;
      const base = (found - 1) * 16;
      for (let i = 0; i < 16; i++) {
        if (this.traceIds[base + i] !== bytes[at + i]) {
          slot = (slot + 1) & mask;
          continue probe;
        }
      }
      return found - 1;
    }
    const index = this.traceCount;
    if ((index + 1) * 16 > this.traceIds.length) this.traceIds = grownU8(this.traceIds);
    this.traceIds.set(bytes.subarray(at, at + 16), index * 16);
    this.traceCount = index + 1;
    this.#traceSlots[slot] = index + 1;
    if (this.traceCount * 2 >= this.#traceSlots.length) this.#rehashTraces();
    return index;
  }

  /** Reserves row `spanCount` in every span column and returns it; `closeSpan` makes it count. */
  openSpan(): number {
    const row = this.spanCount;
    if (row === this.#spanCapacity) this.#growSpans();
    this.parentSpanId[2 * row] = 0;
    this.parentSpanId[2 * row + 1] = 0;
    this.start[2 * row] = 0;
    this.start[2 * row + 1] = 0;
    this.end[2 * row] = 0;
    this.end[2 * row + 1] = 0;
    this.name[row] = 0;
    this.kind[row] = 0;
    this.status[row] = 0;
    this.statusMessage[row] = 0;
    this.traceState[row] = 0;
    this.flags[row] = 0;
    this.droppedAttributes[row] = 0;
    this.droppedEvents[row] = 0;
    this.droppedLinks[row] = 0;
    return row;
  }

  closeSpan(): void {
    this.attributes.closeOwner();
    const next = this.spanCount + 1;
    this.eventOffsets[next] = this.eventCount;
    this.linkOffsets[next] = this.linkCount;
    this.spanCount = next;
  }

  /** Reserves an event row; its attributes go to `eventAttributes`, then `closeEvent`. */
  openEvent(): number {
    const row = this.eventCount;
    if (row === this.eventName.length) {
      this.eventTime = grownU32(this.eventTime);
      this.eventName = grownU32(this.eventName);
      this.eventDropped = grownU32(this.eventDropped);
    }
    this.eventTime[2 * row] = 0;
    this.eventTime[2 * row + 1] = 0;
    this.eventName[row] = 0;
    this.eventDropped[row] = 0;
    return row;
  }

  closeEvent(): void {
    this.eventAttributes.closeOwner();
    this.eventCount++;
  }

  openLink(): number {
    const row = this.linkCount;
    if (row === this.linkTraceState.length) {
      this.linkTraceId = grownU8(this.linkTraceId);
      this.linkSpanId = grownU32(this.linkSpanId);
      this.linkTraceState = grownU32(this.linkTraceState);
      this.linkFlags = grownU32(this.linkFlags);
      this.linkDropped = grownU32(this.linkDropped);
    }
    this.linkTraceId.fill(0, row * 16, row * 16 + 16);
    this.linkSpanId[2 * row] = 0;
    this.linkSpanId[2 * row + 1] = 0;
    this.linkTraceState[row] = 0;
    this.linkFlags[row] = 0;
    this.linkDropped[row] = 0;
    return row;
  }

  closeLink(): void {
    this.linkAttributes.closeOwner();
    this.linkCount++;
  }

  /** Appends a resource whose attributes were pushed to `resourceAttributes`; returns its index. */
  closeResource(dropped: number, schemaUrl: number, serviceName: number): number {
    const index = this.resourceCount;
    if (index === this.resourceDropped.length) {
      this.resourceDropped = grownU32(this.resourceDropped);
      this.resourceSchemaUrl = grownU32(this.resourceSchemaUrl);
      this.resourceServiceName = grownU32(this.resourceServiceName);
    }
    this.resourceDropped[index] = dropped;
    this.resourceSchemaUrl[index] = schemaUrl;
    this.resourceServiceName[index] = serviceName;
    this.resourceAttributes.closeOwner();
    this.resourceCount = index + 1;
    return index;
  }

  closeScope(name: number, version: number, dropped: number, schemaUrl: number): number {
    const index = this.scopeCount;
    if (index === this.scopeName.length) {
      this.scopeName = grownU32(this.scopeName);
      this.scopeVersion = grownU32(this.scopeVersion);
      this.scopeDropped = grownU32(this.scopeDropped);
      this.scopeSchemaUrl = grownU32(this.scopeSchemaUrl);
    }
    this.scopeName[index] = name;
    this.scopeVersion[index] = version;
    this.scopeDropped[index] = dropped;
    this.scopeSchemaUrl[index] = schemaUrl;
    this.scopeAttributes.closeOwner();
    this.scopeCount = index + 1;
    return index;
  }

  mark(): SpanBatchMark {
    return {
      spanCount: this.spanCount,
      traceCount: this.traceCount,
      resourceCount: this.resourceCount,
      scopeCount: this.scopeCount,
      eventCount: this.eventCount,
      linkCount: this.linkCount,
    };
  }

  /**
   * Forgets all rows added since `mark`. A decoder that interns resources or scopes by their bytes
   * must forget those too.
   */
  rollback(mark: SpanBatchMark): void {
    this.spanCount = mark.spanCount;
    this.resourceCount = mark.resourceCount;
    this.scopeCount = mark.scopeCount;
    this.eventCount = mark.eventCount;
    this.linkCount = mark.linkCount;
    this.attributes.truncate(mark.spanCount);
    this.resourceAttributes.truncate(mark.resourceCount);
    this.scopeAttributes.truncate(mark.scopeCount);
    this.eventAttributes.truncate(mark.eventCount);
    this.linkAttributes.truncate(mark.linkCount);
    if (this.traceCount !== mark.traceCount) {
      this.traceCount = mark.traceCount;
      this.#rehashTraces();
    }
  }

  /**
   * Forgets all rows and strings and keeps the room: allocating it again and again makes the
   * collector run. Decoders of this batch must not be used any more.
   */
  reset(): void {
    this.strings.reset();
    this.spanCount = 0;
    this.traceCount = 0;
    this.#traceSlots.fill(0);
    this.resourceCount = 0;
    this.scopeCount = 0;
    this.eventCount = 0;
    this.linkCount = 0;
    this.attributes.truncate(0);
    this.resourceAttributes.truncate(0);
    this.scopeAttributes.truncate(0);
    this.eventAttributes.truncate(0);
    this.linkAttributes.truncate(0);
  }

  #rehashTraces(): void {
    let size = 128;
    while (size < this.traceCount * 4) size *= 2;
    const slots = new Uint32Array(size);
    const mask = size - 1;
    for (let index = 0; index < this.traceCount; index++) {
      let h = this.#seed;
      for (let i = index * 16; i < index * 16 + 16; i++)
        h = Math.imul(h ^ this.traceIds[i]!, 0x01000193);
      h ^= h >>> 15;
      h = Math.imul(h, 0x2c1b3c6d);
      h = (h ^ (h >>> 13)) >>> 0;
      let slot = h & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#traceSlots = slots;
  }

  #growSpans(): void {
    this.#spanCapacity *= 2;
    this.traceIndex = grownU32(this.traceIndex);
    this.spanId = grownU32(this.spanId);
    this.parentSpanId = grownU32(this.parentSpanId);
    this.start = grownU32(this.start);
    this.end = grownU32(this.end);
    this.name = grownU32(this.name);
    this.kind = grownI32(this.kind);
    this.status = grownI32(this.status);
    this.statusMessage = grownU32(this.statusMessage);
    this.traceState = grownU32(this.traceState);
    this.flags = grownU32(this.flags);
    this.droppedAttributes = grownU32(this.droppedAttributes);
    this.droppedEvents = grownU32(this.droppedEvents);
    this.droppedLinks = grownU32(this.droppedLinks);
    this.resource = grownU32(this.resource);
    this.scope = grownU32(this.scope);
    const events = new Uint32Array(this.#spanCapacity + 1);
    events.set(this.eventOffsets);
    this.eventOffsets = events;
    const links = new Uint32Array(this.#spanCapacity + 1);
    links.set(this.linkOffsets);
    this.linkOffsets = links;
  }
}

export type SpanBatchSizes = {
  readonly spans: number;
  readonly traces: number;
  /** Of spans. */
  readonly attributes: number;
  readonly strings: number;
  /** Of the strings. */
  readonly bytes: number;
};
const NO_SIZES: SpanBatchSizes = { spans: 0, traces: 0, attributes: 0, strings: 0, bytes: 0 };

export type SpanBatchMark = {
  readonly spanCount: number;
  readonly traceCount: number;
  readonly resourceCount: number;
  readonly scopeCount: number;
  readonly eventCount: number;
  readonly linkCount: number;
};

function grownU8(array: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(array.length * 2);
  grown.set(array);
  return grown;
}
