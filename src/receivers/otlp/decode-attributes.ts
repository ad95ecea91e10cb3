import { type AttributeColumns, AttributeType } from "../../model/attribute-columns.ts";
import { DecodeError } from "../../model/decode-error.ts";
import type { StringTable } from "../../model/string-table.ts";
import { cutUtf8 } from "../../util/utf8.ts";
import type { WireReader } from "../../util/wire-reader.ts";
import { anyValueText } from "./decode-any-value.ts";

/** Per span, event, link, resource or scope; SDKs stop at 128. */
export const MAX_ATTRIBUTES = 65_535;

/** Decodes KeyValues at a reader's position into attribute columns. The hottest loop of ingest. */
export class AttributeDecoder {
  readonly #reader: WireReader;
  readonly #strings: StringTable;
  readonly #maxBytes: number;
  /** All but the last part of the value at hand, as start, end, start, end … Nearly always empty. */
  readonly #valueParts: number[] = [];
  #cuts = 0;

  /** Keys and string values beyond `maxBytes` are cut; 0 = off. */
  constructor(reader: WireReader, strings: StringTable, maxBytes: number) {
    this.#reader = reader;
    this.#strings = strings;
    this.#maxBytes = maxBytes;
  }

  /** Forgets what an error left behind. */
  reset(): void {
    this.#valueParts.length = 0;
    this.#cuts = 0;
  }

  /** Keys and values cut since the last call. */
  takeCuts(): number {
    const cuts = this.#cuts;
    this.#cuts = 0;
    return cuts;
  }

  /** Pushes the KeyValue that ends at `end`. */
  push(columns: AttributeColumns, end: number): void {
    if (columns.count - columns.offsets[columns.ownerCount]! >= MAX_ATTRIBUTES) {
      throw new DecodeError("limit", `more than ${MAX_ATTRIBUTES} attributes in one place`);
    }
    const reader = this.#reader;
    const bytes = reader.bytes;
    // The shape nearly every attribute has: key, then value, both shorter than 128 bytes, and the
    // value one string or small int. That the lengths add up to `end` is the bounds check.
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
      if (valueEnd < 0) columns.push(key, AttributeType.json, this.#strings.internText("{}"), 0);
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
      columns.push(key, type, this.#strings.internText(anyValueText(reader, [start, end])), 0);
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
    const max = this.#maxBytes;
    if (max > 0 && end - start > max) {
      this.#cuts++;
      return this.#strings.intern(bytes, start, cutUtf8(bytes, start, end, max));
    }
    return this.#strings.intern(bytes, start, end);
  }
}
