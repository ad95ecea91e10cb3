import { AttributeType } from "../../model/attribute-columns.ts";
import type { StringTable } from "../../model/string-table.ts";
import { cutUtf8 } from "../../util/utf8.ts";
import { utf8Text } from "../../util/utf8-text.ts";

/** Keys and values of attributes as string ids, cut to the bound. */
export class AttributeText {
  readonly #strings: StringTable;
  readonly #maxBytes: number;
  /** Keys and values cut so far; the caller counts them where they belong and sets this to 0. */
  cuts = 0;

  /** Longer keys and values are cut; 0 = off. */
  constructor(strings: StringTable, maxBytes: number) {
    this.#strings = strings;
    this.#maxBytes = maxBytes;
  }

  intern(bytes: Uint8Array, start: number, end: number): number {
    const max = this.#maxBytes;
    if (max > 0 && end - start > max) {
      this.cuts++;
      return this.#strings.intern(bytes, start, cutUtf8(bytes, start, end, max));
    }
    return this.#strings.intern(bytes, start, end);
  }

  /** String `id`, cut. */
  cut(id: number): number {
    const { offsets } = this.#strings;
    const length = offsets[id + 1]! - offsets[id]!;
    if (id === 0 || this.#maxBytes === 0 || length <= this.#maxBytes) return id;
    return this.intern(this.#strings.bytes(id).slice(), 0, length);
  }
}

/** A string (`lo` = its id, not cut) or any other value that `TypedValue` can hold. */
export type BinaryValue = {
  readonly type: AttributeType;
  readonly lo: number;
  readonly hi: number;
};

/** A value as its type and the two halves that `AttributeColumns` holds. */
export class TypedValue {
  type: AttributeType = AttributeType.string;
  lo = 0;
  hi = 0;
  readonly #view = new DataView(new ArrayBuffer(8));

  /** String `id`. */
  setString(id: number): void {
    this.type = AttributeType.string;
    this.lo = id;
    this.hi = 0;
  }

  setBool(value: boolean): void {
    this.type = AttributeType.bool;
    this.lo = value ? 1 : 0;
    this.hi = 0;
  }

  set(type: AttributeType, lo: number, hi: number): void {
    this.type = type;
    this.lo = lo;
    this.hi = hi;
  }

  /** A signed 32-bit integer. */
  setInt32(value: number): void {
    this.set(AttributeType.int, value >>> 0, (value >> 31) >>> 0);
  }

  setInt(value: bigint): void {
    this.#view.setBigInt64(0, value);
    this.#take(AttributeType.int);
  }

  setDouble(value: number): void {
    this.#view.setFloat64(0, value);
    this.#take(AttributeType.double);
  }

  /** A JSON number: an int where it is integral and fits, else a double. */
  setNumber(text: string): void {
    if (/^-?\d{1,19}$/.test(text) && fitsInt64(BigInt(text))) {
      this.setInt(BigInt(text));
      return;
    }
    const value = Number(text);
    if (Number.isSafeInteger(value)) this.setInt(BigInt(value));
    else this.setDouble(value);
  }

  /** What `parse_string_tags` makes of a text; false when it stays one. */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    const first = bytes[start];
    // Nearly all values are ruled out by length or first byte.
    if (first === undefined || start === end || end - start > 40) return false;
    if (first !== 0x2d && first !== 0x74 && first !== 0x66 && (first < 0x30 || first > 0x39)) {
      return false;
    }
    const text = utf8Text(bytes, start, end);
    if (text === "true" || text === "false") {
      this.setBool(text === "true");
      return true;
    }
    if (/^-?\d+$/.test(text)) {
      const value = BigInt(text);
      if (!fitsInt64(value)) return false;
      this.setInt(value);
      return true;
    }
    if (!/^-?\d+\.\d+$/.test(text)) return false;
    this.setDouble(Number(text));
    return true;
  }

  #take(type: AttributeType): void {
    this.type = type;
    this.hi = this.#view.getUint32(0);
    this.lo = this.#view.getUint32(4);
  }
}

function fitsInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}
