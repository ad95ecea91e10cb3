import { type AttributeColumns, AttributeType } from "../../model/attribute-columns.ts";
import { DecodeError } from "../../model/decode-error.ts";
import type { StringTable } from "../../model/string-table.ts";
import { base64Encode } from "../../util/base64.ts";
import { cutUtf8 } from "../../util/utf8.ts";

/** Per span, log or process. */
export const MAX_TAGS = 65_535;

/** What a tag's value is: the types of attributes where Jaeger has the same. */
export const TagType = {
  string: AttributeType.string,
  bool: AttributeType.bool,
  int: AttributeType.int,
  double: AttributeType.double,
  binary: AttributeType.json,
  /** A number that Jaeger has no type for. */
  unknown: 0,
} as const;
export type TagType = (typeof TagType)[keyof typeof TagType];

/**
 * The tag at hand, as both decoders leave it, and its way into attribute columns: one object for
 * all tags of a batch.
 */
export class TagValues {
  /** What was received; the ranges below are in it. */
  bytes: Uint8Array = new Uint8Array(0);
  keyStart = 0;
  keyEnd = 0;
  type: TagType = TagType.string;
  /**
   * `string`, `binary`: where the value begins and ends. `bool`: 0 or 1. `int`, `double`: the words.
   * `unknown`: the number of the type.
   */
  lo = 0;
  hi = 0;
  readonly #strings: StringTable;
  readonly #maxBytes: number;
  #cuts = 0;

  /** Keys and string values beyond `maxBytes` are cut; 0 = off. */
  constructor(strings: StringTable, maxBytes: number) {
    this.#strings = strings;
    this.#maxBytes = maxBytes;
  }

  begin(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.#cuts = 0;
  }

  /** Keys and values cut since the last call. */
  takeCuts(): number {
    const cuts = this.#cuts;
    this.#cuts = 0;
    return cuts;
  }

  /** The string id of the whole key at hand, -1 when it is to be cut and longer than `maxBytes`. */
  wholeKey(maxBytes: number): number {
    const { keyStart, keyEnd } = this;
    const length = keyEnd - keyStart;
    if (this.#maxBytes > 0 && length > this.#maxBytes && length > maxBytes) return -1;
    return this.#strings.intern(this.bytes, keyStart, keyEnd);
  }

  /** Pushes the tag at hand; `key` is what `wholeKey` gave. */
  push(columns: AttributeColumns, key: number): void {
    if (columns.count - columns.offsets[columns.ownerCount]! >= MAX_TAGS) {
      throw new DecodeError("limit", `more than ${MAX_TAGS} tags in one place`);
    }
    const { type: kind, lo, hi } = this;
    const max = this.#maxBytes;
    const keyId =
      max > 0 && this.keyEnd - this.keyStart > max ? this.#cut(this.keyStart, this.keyEnd) : key;
    switch (kind) {
      case TagType.string: {
        const value = max > 0 && hi - lo > max ? this.#cut(lo, hi) : this.text();
        columns.push(keyId, AttributeType.string, value, 0);
        return;
      }
      case TagType.bool:
      case TagType.int:
      case TagType.double:
        columns.push(keyId, kind, lo, hi);
        return;
      case TagType.binary:
        columns.push(keyId, AttributeType.json, this.#bytesValue(lo, hi), 0);
        return;
      case TagType.unknown: {
        const value = this.#strings.internText(`<Unknown Jaeger TagType "${lo}">`);
        columns.push(keyId, AttributeType.string, value, 0);
        return;
      }
      default:
        kind satisfies never;
    }
  }

  /** The string id of the whole value at hand; the empty string unless that is a string. */
  text(): number {
    return this.type === TagType.string ? this.#strings.intern(this.bytes, this.lo, this.hi) : 0;
  }

  #cut(start: number, end: number): number {
    this.#cuts++;
    return this.#strings.intern(this.bytes, start, cutUtf8(this.bytes, start, end, this.#maxBytes));
  }

  /** The JSON text of an AnyValue with these bytes. */
  #bytesValue(start: number, end: number): number {
    const base64 = base64Encode(this.bytes.subarray(start, end));
    const text = new Uint8Array(BEFORE_BYTES.length + base64.length + AFTER_BYTES.length);
    text.set(BEFORE_BYTES);
    text.set(base64, BEFORE_BYTES.length);
    text.set(AFTER_BYTES, BEFORE_BYTES.length + base64.length);
    return this.#strings.intern(text, 0, text.length);
  }
}

const encoder = new TextEncoder();
const BEFORE_BYTES = encoder.encode('{"bytesValue":"');
const AFTER_BYTES = encoder.encode('"}');
