import { AttributeType } from "../../model/attribute-columns.ts";
import { DecodeError } from "../../model/decode-error.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { WireError, WireReader } from "../../util/wire-reader.ts";
import { RowCache } from "../shared/row-cache.ts";
import { AttributeDecoder } from "./decode-attributes.ts";

/** Per span. */
export const MAX_EVENTS = 65_535;
/** Per span. */
export const MAX_LINKS = 65_535;

export type OtlpDecoderOptions = {
  /** Attribute keys and string values beyond this are cut; 0 = off. */
  readonly maxAttributeBytes: number;
};

/** Keys and string values cut so far, each counted for itself, by what the attribute belongs to. */
export type TruncatedAttributes = {
  resource: number;
  scope: number;
  span: number;
  event: number;
  link: number;
};

/** A tag is field number << 3 | wire type. */
const ScopeSpansTag = { current: (2 << 3) | 2, legacy: (1000 << 3) | 2 } as const;

/**
 * Decodes OTLP trace requests from the protobuf wire straight into the columns of one batch: no
 * object, string or bigint per span or attribute. Lives as long as its batch.
 *
 * Fields may come in any order and singular messages repeatedly (they merge); unknown fields are
 * skipped; a known field with another wire type is an error.
 */
export class OtlpDecoder {
  readonly truncated: TruncatedAttributes = { resource: 0, scope: 0, span: 0, event: 0, link: 0 };
  readonly #batch: SpanBatch;
  readonly #reader = new WireReader();
  readonly #attributes: AttributeDecoder;
  readonly #resources: RowCache;
  readonly #scopes: RowCache;
  readonly #serviceNameKey: number;
  // Parts of the resource or scope at hand, as start, end, start, end …
  readonly #resourceParts: number[] = [];
  readonly #scopeParts: number[] = [];
  #resourceSchemaStart = 0;
  #resourceSchemaEnd = 0;
  /** Row of the resource at hand, -1 until a span needs it. */
  #resource = -1;
  /** Row of the scope at hand. */
  #scope = -1;

  constructor(batch: SpanBatch, options: OtlpDecoderOptions) {
    this.#batch = batch;
    this.#attributes = new AttributeDecoder(this.#reader, batch.strings, options.maxAttributeBytes);
    this.#resources = new RowCache(batch.strings.seed);
    this.#scopes = new RowCache(batch.strings.seed);
    this.#serviceNameKey = batch.strings.internText("service.name");
  }

  /**
   * Appends the spans of an ExportTraceServiceRequest and returns their number. Throws a
   * `DecodeError` after which the batch is as before: `syntax` when `body` is not such a message,
   * `trace_id` or `span_id` when an id is missing or zero, `limit` when a count or the nesting of
   * a value is beyond bounds.
   */
  decode(body: Uint8Array): number {
    const batch = this.#batch;
    const mark = batch.mark();
    const truncated = { ...this.truncated };
    this.#resources.begin();
    this.#scopes.begin();
    this.#attributes.reset();
    this.#reader.reset(body);
    try {
      this.#request(body.length);
      return batch.spanCount - mark.spanCount;
    } catch (error) {
      batch.rollback(mark);
      this.#resources.rollback();
      this.#scopes.rollback();
      Object.assign(this.truncated, truncated);
      if (error instanceof WireError) throw new DecodeError("syntax", error.message);
      throw error;
    } finally {
      this.#reader.reset(EMPTY);
    }
  }

  #request(end: number): void {
    const reader = this.#reader;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) this.#resourceSpans(reader.sub(end));
      else reader.skip(tag, 0b10, end);
    }
  }

  /** Two passes, since the resource and its schema may come after the spans they belong to. */
  #resourceSpans(end: number): void {
    const reader = this.#reader;
    const begin = reader.pos;
    const parts = this.#resourceParts;
    parts.length = 0;
    this.#resourceSchemaStart = 0;
    this.#resourceSchemaEnd = 0;
    this.#resource = -1;
    let scopeSpansTag: number = ScopeSpansTag.legacy;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a: {
          const partEnd = reader.sub(end);
          parts.push(reader.pos, partEnd);
          reader.pos = partEnd;
          break;
        }
        case ScopeSpansTag.current:
          scopeSpansTag = tag;
          reader.pos = reader.sub(end);
          break;
        case 0x1a: {
          const schemaEnd = reader.sub(end);
          this.#resourceSchemaStart = reader.pos;
          this.#resourceSchemaEnd = schemaEnd;
          reader.pos = schemaEnd;
          break;
        }
        default:
          reader.skip(tag, 0b1110, end);
      }
    }
    reader.pos = begin;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === scopeSpansTag) this.#scopeSpans(reader.sub(end));
      else reader.skip(tag, 0, end);
    }
  }

  #scopeSpans(end: number): void {
    const reader = this.#reader;
    const begin = reader.pos;
    const parts = this.#scopeParts;
    parts.length = 0;
    let schemaStart = 0;
    let schemaEnd = 0;
    let spans = 0;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a: {
          const partEnd = reader.sub(end);
          parts.push(reader.pos, partEnd);
          reader.pos = partEnd;
          break;
        }
        case 0x12:
          spans++;
          reader.pos = reader.sub(end);
          break;
        case 0x1a:
          schemaEnd = reader.sub(end);
          schemaStart = reader.pos;
          reader.pos = schemaEnd;
          break;
        default:
          reader.skip(tag, 0b1110, end);
      }
    }
    // Resources and scopes without spans take no row.
    if (spans === 0) return;
    if (this.#resource < 0) this.#resource = this.#resourceRow();
    this.#scope = this.#scopeRow(this.#string(schemaStart, schemaEnd));
    reader.pos = begin;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x12) this.#span(reader.sub(end));
      else reader.skip(tag, 0, end);
    }
  }

  #resourceRow(): number {
    const batch = this.#batch;
    const reader = this.#reader;
    const parts = this.#resourceParts;
    const schemaUrl = this.#string(this.#resourceSchemaStart, this.#resourceSchemaEnd);
    const key = this.#resources.key(reader.bytes, parts, schemaUrl);
    const known = this.#resources.row(key);
    if (known >= 0) return known;
    const columns = batch.resourceAttributes;
    let dropped = 0;
    for (let i = 0; i < parts.length; i += 2) {
      reader.pos = parts[i]!;
      const end = parts[i + 1]!;
      while (reader.pos < end) {
        const tag = reader.tag(end);
        if (tag === 0x0a) this.#attributes.push(columns, reader.sub(end));
        else if (tag === 0x10) dropped = reader.varint(end);
        else if (tag === 0x1a) reader.pos = reader.sub(end);
        else reader.skip(tag, 0b1110, end);
      }
    }
    this.truncated.resource += this.#attributes.takeCuts();
    let serviceName = 0;
    for (let i = columns.offsets[columns.ownerCount]!; i < columns.count; i++) {
      if (columns.keys[i] !== this.#serviceNameKey) continue;
      serviceName = columns.types[i] === AttributeType.string ? columns.values[2 * i]! : 0;
    }
    const row = batch.closeResource(dropped, schemaUrl, serviceName);
    this.#resources.add(key, row);
    return row;
  }

  #scopeRow(schemaUrl: number): number {
    const batch = this.#batch;
    const reader = this.#reader;
    const parts = this.#scopeParts;
    const key = this.#scopes.key(reader.bytes, parts, schemaUrl);
    const known = this.#scopes.row(key);
    if (known >= 0) return known;
    let name = 0;
    let version = 0;
    let dropped = 0;
    for (let i = 0; i < parts.length; i += 2) {
      reader.pos = parts[i]!;
      const end = parts[i + 1]!;
      while (reader.pos < end) {
        const tag = reader.tag(end);
        if (tag === 0x0a) name = this.#stringField(end);
        else if (tag === 0x12) version = this.#stringField(end);
        else if (tag === 0x1a) this.#attributes.push(batch.scopeAttributes, reader.sub(end));
        else if (tag === 0x20) dropped = reader.varint(end);
        else reader.skip(tag, 0b11110, end);
      }
    }
    this.truncated.scope += this.#attributes.takeCuts();
    const row = batch.closeScope(name, version, dropped, schemaUrl);
    this.#scopes.add(key, row);
    return row;
  }

  #span(end: number): void {
    const batch = this.#batch;
    const reader = this.#reader;
    const view = reader.view;
    const row = batch.openSpan();
    let traceAt = -1;
    let spanAt = -1;
    const attributes = batch.attributes;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x4a) {
        // More than half of all fields, so they are spared the switch.
        this.#attributes.push(attributes, reader.sub(end));
        continue;
      }
      switch (tag) {
        case 0x0a:
          traceAt = this.#id(end, 16);
          break;
        case 0x12:
          spanAt = this.#id(end, 8);
          break;
        case 0x1a:
          batch.traceState[row] = this.#stringField(end);
          break;
        case 0x22: {
          const at = this.#id(end, 8);
          batch.parentSpanId[2 * row] = at < 0 ? 0 : view.getUint32(at + 4);
          batch.parentSpanId[2 * row + 1] = at < 0 ? 0 : view.getUint32(at);
          break;
        }
        case 0x2a:
          batch.name[row] = this.#stringField(end);
          break;
        case 0x30:
          batch.kind[row] = reader.varint(end);
          break;
        case 0x39: {
          const at = reader.fixed64(end);
          batch.start[2 * row] = view.getUint32(at, true);
          batch.start[2 * row + 1] = view.getUint32(at + 4, true);
          break;
        }
        case 0x41: {
          const at = reader.fixed64(end);
          batch.end[2 * row] = view.getUint32(at, true);
          batch.end[2 * row + 1] = view.getUint32(at + 4, true);
          break;
        }
        case 0x50:
          batch.droppedAttributes[row] = reader.varint(end);
          break;
        case 0x5a:
          this.truncated.span += this.#attributes.takeCuts();
          if (batch.eventCount - batch.eventOffsets[row]! >= MAX_EVENTS) {
            throw new DecodeError("limit", `span has more than ${MAX_EVENTS} events`);
          }
          this.#event(reader.sub(end));
          break;
        case 0x60:
          batch.droppedEvents[row] = reader.varint(end);
          break;
        case 0x6a:
          this.truncated.span += this.#attributes.takeCuts();
          if (batch.linkCount - batch.linkOffsets[row]! >= MAX_LINKS) {
            throw new DecodeError("limit", `span has more than ${MAX_LINKS} links`);
          }
          this.#link(reader.sub(end));
          break;
        case 0x70:
          batch.droppedLinks[row] = reader.varint(end);
          break;
        case 0x7a:
          this.#status(row, reader.sub(end));
          break;
        case (16 << 3) | 5:
          batch.flags[row] = reader.fixed32(end);
          break;
        default:
          reader.skip(tag, 0b1_1111_1111_1111_1110, end);
      }
    }
    if (traceAt < 0 || isZero(view, traceAt, 16)) {
      throw new DecodeError("trace_id", "trace ids must be 128 bit, received 0 bits");
    }
    if (spanAt < 0 || isZero(view, spanAt, 8)) {
      throw new DecodeError("span_id", "span ids must be 64 bit and not all zero, received 0 bits");
    }
    batch.traceIndex[row] = batch.internTrace(reader.bytes, traceAt);
    batch.spanId[2 * row] = view.getUint32(spanAt + 4);
    batch.spanId[2 * row + 1] = view.getUint32(spanAt);
    batch.resource[row] = this.#resource;
    batch.scope[row] = this.#scope;
    this.truncated.span += this.#attributes.takeCuts();
    batch.closeSpan();
  }

  #status(row: number, end: number): void {
    const reader = this.#reader;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x12) this.#batch.statusMessage[row] = this.#stringField(end);
      else if (tag === 0x18) this.#batch.status[row] = reader.varint(end);
      else reader.skip(tag, 0b1100, end);
    }
  }

  #event(end: number): void {
    const batch = this.#batch;
    const reader = this.#reader;
    const row = batch.openEvent();
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x09: {
          const at = reader.fixed64(end);
          batch.eventTime[2 * row] = reader.view.getUint32(at, true);
          batch.eventTime[2 * row + 1] = reader.view.getUint32(at + 4, true);
          break;
        }
        case 0x12:
          batch.eventName[row] = this.#stringField(end);
          break;
        case 0x1a:
          this.#attributes.push(batch.eventAttributes, reader.sub(end));
          break;
        case 0x20:
          batch.eventDropped[row] = reader.varint(end);
          break;
        default:
          reader.skip(tag, 0b11110, end);
      }
    }
    this.truncated.event += this.#attributes.takeCuts();
    batch.closeEvent();
  }

  #link(end: number): void {
    const batch = this.#batch;
    const reader = this.#reader;
    const row = batch.openLink();
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a: {
          const at = this.#id(end, 16);
          for (let i = 0; i < 16; i++) {
            batch.linkTraceId[16 * row + i] = at < 0 ? 0 : reader.bytes[at + i]!;
          }
          break;
        }
        case 0x12: {
          const at = this.#id(end, 8);
          batch.linkSpanId[2 * row] = at < 0 ? 0 : reader.view.getUint32(at + 4);
          batch.linkSpanId[2 * row + 1] = at < 0 ? 0 : reader.view.getUint32(at);
          break;
        }
        case 0x1a:
          batch.linkTraceState[row] = this.#stringField(end);
          break;
        case 0x22:
          this.#attributes.push(batch.linkAttributes, reader.sub(end));
          break;
        case 0x28:
          batch.linkDropped[row] = reader.varint(end);
          break;
        case 0x35:
          batch.linkFlags[row] = reader.fixed32(end);
          break;
        default:
          reader.skip(tag, 0b1111110, end);
      }
    }
    this.truncated.link += this.#attributes.takeCuts();
    batch.closeLink();
  }

  #stringField(end: number): number {
    const reader = this.#reader;
    const stringEnd = reader.sub(end);
    const start = reader.pos;
    reader.pos = stringEnd;
    return this.#batch.strings.intern(reader.bytes, start, stringEnd);
  }

  #string(start: number, end: number): number {
    return this.#batch.strings.intern(this.#reader.bytes, start, end);
  }

  /** Steps over an id and returns where it begins, -1 when it is empty. */
  #id(end: number, length: number): number {
    const reader = this.#reader;
    const idEnd = reader.sub(end);
    const at = reader.pos;
    reader.pos = idEnd;
    if (idEnd - at === length) return at;
    if (idEnd === at) return -1;
    throw new WireError(`id of ${idEnd - at} bytes instead of ${length} at byte ${at}`);
  }
}

function isZero(view: DataView, at: number, length: number): boolean {
  for (let i = at; i < at + length; i += 4) if (view.getInt32(i) !== 0) return false;
  return true;
}

const EMPTY = new Uint8Array(0);
