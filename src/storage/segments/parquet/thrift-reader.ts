import { PintailError } from "../../../errors.ts";
import { ThriftType } from "./thrift-writer.ts";

/** Deepest nesting accepted; Parquet's footer needs 7. */
const MAX_DEPTH = 16;

/**
 * Reads Thrift's compact protocol from bytes that may be anything. Every step consumes at least
 * one byte or ends, so the work is bounded by the length; whatever does not fit throws `corrupt`.
 */
export class ThriftReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  fieldId = 0;
  #last = 0;
  #depth = 0;
  readonly #outer: number[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes consumed so far. */
  get position(): number {
    return this.#at;
  }

  beginStruct(): void {
    if (++this.#depth > MAX_DEPTH) throw corrupt("nested too deeply");
    this.#outer.push(this.#last);
    this.#last = 0;
  }

  /** The type of the next field, its id in `fieldId`; 0 at the end of the struct. */
  nextField(): number {
    const header = this.#byte();
    if (header === 0) {
      this.#last = this.#outer.pop() ?? 0;
      this.#depth--;
      return 0;
    }
    const delta = header >>> 4;
    if (delta === 0) {
      const raw = this.varint();
      this.fieldId = raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
    } else this.fieldId = this.#last + delta;
    this.#last = this.fieldId;
    return header & 15;
  }

  /** The element count and type of a list. Every element takes a byte or more. */
  beginList(): { count: number; type: number } {
    const header = this.#byte();
    const count = header >>> 4 === 15 ? this.varint() : header >>> 4;
    if (count > this.#bytes.length - this.#at) throw corrupt("a list is longer than the footer");
    return { count, type: header & 15 };
  }

  binary(): Uint8Array {
    const length = this.varint();
    if (length > this.#bytes.length - this.#at) throw corrupt("a string ends behind the footer");
    const from = this.#at;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw corrupt("a varint is longer than ten bytes");
  }

  skip(type: number): void {
    switch (type) {
      case ThriftType.true:
      case ThriftType.false:
        return;
      case ThriftType.byte:
        this.#byte();
        return;
      case ThriftType.i16:
      case ThriftType.i32:
      case ThriftType.i64:
        this.varint();
        return;
      case ThriftType.double:
        this.#advance(8);
        return;
      case ThriftType.binary:
        this.#advance(this.varint());
        return;
      case ThriftType.list:
      case ThriftType.set:
        this.#skipList();
        return;
      case ThriftType.map:
        this.#skipMap();
        return;
      case ThriftType.struct: {
        this.beginStruct();
        for (let field = this.nextField(); field !== 0; field = this.nextField()) this.skip(field);
        return;
      }
      default:
        throw corrupt(`unknown thrift type ${type}`);
    }
  }

  #skipList(): void {
    const { count, type } = this.beginList();
    this.#nest(() => {
      for (let i = 0; i < count; i++) this.#skipElement(type);
    });
  }

  #skipMap(): void {
    const count = this.varint();
    if (count === 0) return;
    const types = this.#byte();
    if (count > this.#bytes.length - this.#at) throw corrupt("a map is longer than the footer");
    this.#nest(() => {
      for (let i = 0; i < count; i++) {
        this.#skipElement(types >>> 4);
        this.#skipElement(types & 15);
      }
    });
  }

  /** Unlike fields, bools in lists and maps have a byte of their own. */
  #skipElement(type: number): void {
    if (type === ThriftType.true || type === ThriftType.false) this.#byte();
    else this.skip(type);
  }

  #nest(body: () => void): void {
    if (++this.#depth > MAX_DEPTH) throw corrupt("nested too deeply");
    body();
    this.#depth--;
  }

  #advance(count: number): void {
    if (count > this.#bytes.length - this.#at) throw corrupt("the footer ends early");
    this.#at += count;
  }

  #byte(): number {
    if (this.#at >= this.#bytes.length) throw corrupt("the footer ends early");
    return this.#bytes[this.#at++]!;
  }
}

function corrupt(what: string): PintailError {
  return new PintailError("corrupt", `invalid parquet footer: ${what}`);
}
