import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { SqlType } from "../../../schema/columns.ts";
import { TYPE_INFO } from "../parquet/schema.ts";
import { corrupt } from "./read-error.ts";

/** A leading byte order mark is part of the value. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Values in PLAIN encoding, in order. Positions only rise, so strings are walked over once. */
export class PlainValues {
  readonly #type: SqlType;
  readonly #width: number | undefined;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #from: number;
  /** Of strings: where the value at `#index` begins. */
  #at: number;
  #index = 0;

  /** The values begin at `from` and end with the bytes. */
  constructor(type: SqlType, bytes: Uint8Array, from: number) {
    this.#type = type;
    this.#width = TYPE_INFO[type].width;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#from = from;
    this.#at = from;
  }

  /** The value at `index`, which must not be below an earlier one. Throws `corrupt` behind the end. */
  value(index: number): SqlValue {
    if (this.#type === "VARCHAR") return this.#string(index);
    if (this.#width === undefined) {
      const at = this.#from + (index >>> 3);
      if (at >= this.#bytes.length) throw corrupt("a value lies behind its page");
      return ((this.#bytes[at]! >>> (index & 7)) & 1) === 1;
    }
    const at = this.#from + index * this.#width;
    if (at + this.#width > this.#bytes.length) throw corrupt("a value lies behind its page");
    return this.#number(at);
  }

  #number(at: number): SqlValue {
    const view = this.#view;
    switch (this.#type) {
      case "UUID":
        return uuidHex(this.#bytes, at);
      case "UBIGINT":
        return view.getBigUint64(at, true);
      case "BIGINT":
      case "TIMESTAMP_NS":
        return view.getBigInt64(at, true);
      case "INTEGER":
        return view.getInt32(at, true);
      case "UINTEGER":
        return view.getUint32(at, true);
      case "DOUBLE":
        return view.getFloat64(at, true);
      default:
        throw new Error(`a ${this.#type} has no fixed width`);
    }
  }

  #string(index: number): string {
    while (this.#index < index) {
      this.#at += 4 + this.#length();
      this.#index++;
    }
    const length = this.#length();
    return text(this.#bytes, this.#at + 4, this.#at + 4 + length);
  }

  /** Of the string that begins here. */
  #length(): number {
    const left = this.#bytes.length - this.#at - 4;
    if (left < 0) throw corrupt("a string lies behind its page");
    const length = this.#view.getUint32(this.#at, true);
    if (length > left) throw corrupt("a string ends behind its page");
    return length;
  }
}

/** The entries of a dictionary page at `codes`, in their order. */
export function dictionaryValues(
  type: SqlType,
  body: Uint8Array,
  entryCount: number,
  codes: readonly number[],
): SqlValue[] {
  const plain = new PlainValues(type, body, 0);
  const distinct = [...new Set(codes)].sort((a, b) => a - b);
  const values = new Map<number, SqlValue>();
  for (const code of distinct) {
    if (code >= entryCount) throw corrupt(`code ${code} in a dictionary of ${entryCount}`);
    values.set(code, plain.value(code));
  }
  return codes.map((code) => values.get(code)!);
}

function uuidHex(bytes: Uint8Array, at: number): string {
  let hex = "";
  for (let i = at; i < at + 16; i++) hex += HEX[bytes[i]!]!;
  return hex;
}

/** Below this a loop is faster than the decoder's call. */
const SHORT_BYTES = 16;

function text(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > SHORT_BYTES) return utf8.decode(bytes.subarray(from, to));
  let result = "";
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x80) return utf8.decode(bytes.subarray(from, to));
    result += String.fromCharCode(byte);
  }
  return result;
}
