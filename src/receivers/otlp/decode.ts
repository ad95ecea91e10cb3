import { type AttributeColumns, AttributeType } from "../../model/attribute-columns.ts";
import { DecodeError } from "../../model/decode-error.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { cutUtf8 } from "../../util/utf8.ts";
import { WireError, WireReader } from "../../util/wire-reader.ts";
import { anyValueText } from "./decode-any-value.ts";
import { RowCache } from "./decode-row-cache.ts";

/** Per span, event, link, resource or scope; SDKs stop at 128. */
export const MAX_ATTRIBUTES = 65_535;
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
  readonly #maxAttributeBytes: number;
  readonly #reader = new WireReader();
  readonly #resources: RowCache;
  readonly #scopes: RowCache;
  readonly #serviceNameKey: number;
  // Parts of the resource or scope at hand, as start, end, start, end …
  readonly #resourceParts: number[] = [];
  readonly #scopeParts: number[] = [];
  readonly #valueParts: number[] = [];
  #resourceSchemaStart = 0;
  #resourceSchemaEnd = 0;
  /** Row of the resource at hand, -1 until a span needs it. */
  #resource = -1;
  /** Row of the scope at hand. */
  #scope = -1;
  /** Keys and values cut since the last time an owner's count was taken. */
  #cuts = 0;

  constructor(batch: SpanBatch, options: OtlpDecoderOptions) {
    this.#batch = batch;
    this.#maxAttributeBytes = options.maxAttributeBytes;
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
    this.#valueParts.length = 0;
    this.#cuts = 0;
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
        if (tag === 0x0a) this.#keyValue(columns, reader.sub(end));
        else if (tag === 0x10) dropped = reader.varint(end);
        else if (tag === 0x1a) reader.pos = reader.sub(end);
        else reader.skip(tag, 0b1110, end);
      }
    }
    this.truncated.resource += this.#takeCuts();
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
        else if (tag === 0x1a) this.#keyValue(batch.scopeAttributes, reader.sub(end));
        else if (tag === 0x20) dropped = reader.varint(end);
        else reader.skip(tag, 0b11110, end);
      }
    }
    this.truncated.scope += this.#takeCuts();
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
    while (reader.pos < end) {
      const tag = reader.tag(end);
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
        case 0x4a:
          this.#keyValue(batch.attributes, reader.sub(end));
          break;
        case 0x50:
          batch.droppedAttributes[row] = reader.varint(end);
          break;
        case 0x5a:
          this.truncated.span += this.#takeCuts();
          if (batch.eventCount - batch.eventOffsets[row]! >= MAX_EVENTS) {
            throw new DecodeError("limit", `span has more than ${MAX_EVENTS} events`);
          }
          this.#event(reader.sub(end));
          break;
        case 0x60:
          batch.droppedEvents[row] = reader.varint(end);
          break;
        case 0x6a:
          this.truncated.span += this.#takeCuts();
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
    this.truncated.span += this.#takeCuts();
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
          this.#keyValue(batch.eventAttributes, reader.sub(end));
          break;
        case 0x20:
          batch.eventDropped[row] = reader.varint(end);
          break;
        default:
          reader.skip(tag, 0b11110, end);
      }
    }
    this.truncated.event += this.#takeCuts();
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
          this.#keyValue(batch.linkAttributes, reader.sub(end));
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
    this.truncated.link += this.#takeCuts();
    batch.closeLink();
  }

  /** Pushes one attribute. */
  #keyValue(columns: AttributeColumns, end: number): void {
    if (columns.count - columns.offsets[columns.ownerCount]! >= MAX_ATTRIBUTES) {
      throw new DecodeError("limit", `more than ${MAX_ATTRIBUTES} attributes in one place`);
    }
    const reader = this.#reader;
    const bytes = reader.bytes;
    // The shape nearly every attribute has: key, then value, both shorter than 128 bytes, and the
    // value one string, bool or small int. That the lengths add up to `end` is the bounds check.
    const begin = reader.pos;
    const keyLength = bytes[begin + 1]!;
    if (bytes[begin] === 0x0a && keyLength < 0x80) {
      const at = begin + 2 + keyLength;
      const valueLength = bytes[at + 1]!;
      if (bytes[at] === 0x12 && valueLength < 0x80 && at + 2 + valueLength === end) {
        const member = bytes[at + 2];
        if (member === 0x0a && bytes[at + 3] === valueLength - 2) {
          const key = this.#attributeString(begin + 2, at);
          columns.push(key, AttributeType.string, this.#attributeString(at + 4, end), 0);
          reader.pos = end;
          return;
        }
        if (member === 0x18 && valueLength === 2 && bytes[at + 3]! < 0x80) {
          const key = this.#attributeString(begin + 2, at);
          columns.push(key, AttributeType.int, bytes[at + 3]!, 0);
          reader.pos = end;
          return;
        }
      }
    }
    let keyStart = 0;
    let keyEnd = 0;
    let valueStart = 0;
    let valueEnd = -1;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) {
        keyEnd = reader.sub(end);
        keyStart = reader.pos;
        reader.pos = keyEnd;
      } else if (tag === 0x12) {
        if (valueEnd >= 0) this.#valueParts.push(valueStart, valueEnd);
        valueEnd = reader.sub(end);
        valueStart = reader.pos;
        reader.pos = valueEnd;
      } else if (tag === 0x18) reader.varint(end);
      else reader.skip(tag, 0b1110, end);
    }
    const key = this.#attributeString(keyStart, keyEnd);
    if (this.#valueParts.length === 0) {
      if (valueEnd < 0) columns.push(key, AttributeType.json, this.#jsonText("{}"), 0);
      else this.#value(columns, key, valueStart, valueEnd);
    } else this.#mergedValue(columns, key, valueStart, valueEnd);
    reader.pos = end;
  }

  /** An AnyValue: the last member of its oneof counts. */
  #value(columns: AttributeColumns, key: number, start: number, end: number): void {
    const reader = this.#reader;
    let type: AttributeType = AttributeType.json;
    let lo = 0;
    let hi = 0;
    reader.pos = start;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          hi = reader.sub(end);
          lo = reader.pos;
          reader.pos = hi;
          type = AttributeType.string;
          break;
        case 0x10:
          lo = (reader.varint(end) | reader.hi) === 0 ? 0 : 1;
          hi = 0;
          type = AttributeType.bool;
          break;
        case 0x18:
          lo = reader.varint(end);
          hi = reader.hi;
          type = AttributeType.int;
          break;
        case 0x21: {
          const at = reader.fixed64(end);
          lo = reader.view.getInt32(at, true);
          hi = reader.view.getInt32(at + 4, true);
          type = AttributeType.double;
          break;
        }
        case 0x2a:
        case 0x32:
        case 0x3a:
          reader.pos = reader.sub(end);
          type = AttributeType.json;
          break;
        case 0x40:
          reader.varint(end);
          type = AttributeType.json;
          break;
        default:
          reader.skip(tag, 0b1_1111_1110, end);
      }
    }
    if (type === AttributeType.string) {
      columns.push(key, type, this.#attributeString(lo, hi), 0);
    } else if (type === AttributeType.json) {
      columns.push(key, type, this.#jsonText(anyValueText(reader, [start, end])), 0);
    } else columns.push(key, type, lo, hi);
  }

  /**
   * A value that came in several parts, of which `valueParts` holds all but the last. They are
   * joined, which is what merging means; no sender is known to do this.
   */
  #mergedValue(columns: AttributeColumns, key: number, start: number, end: number): void {
    const reader = this.#reader;
    const parts = [...this.#valueParts, start, end];
    this.#valueParts.length = 0;
    let length = 0;
    for (let i = 0; i < parts.length; i += 2) length += parts[i + 1]! - parts[i]!;
    const joined = new Uint8Array(length);
    let at = 0;
    for (let i = 0; i < parts.length; i += 2) {
      joined.set(reader.bytes.subarray(parts[i]!, parts[i + 1]!), at);
      at += parts[i + 1]! - parts[i]!;
    }
    const body = reader.bytes;
    reader.reset(joined);
    this.#value(columns, key, 0, length);
    reader.reset(body);
  }

  /** Interns an attribute's key or string value, cut to the bound. */
  #attributeString(start: number, end: number): number {
    const bytes = this.#reader.bytes;
    const max = this.#maxAttributeBytes;
    if (max > 0 && end - start > max) {
      this.#cuts++;
      return this.#batch.strings.intern(bytes, start, cutUtf8(bytes, start, end, max));
    }
    return this.#batch.strings.intern(bytes, start, end);
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

  #jsonText(text: string): number {
    return this.#batch.strings.internText(text);
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

  #takeCuts(): number {
    const cuts = this.#cuts;
    this.#cuts = 0;
    return cuts;
  }
}

function isZero(view: DataView, at: number, length: number): boolean {
  for (let i = at; i < at + length; i += 4) if (view.getInt32(i) !== 0) return false;
  return true;
}

const EMPTY = new Uint8Array(0);
