import { ByteSink } from "./byte-sink.ts";

/** Type numbers of Thrift's compact protocol. */
export const ThriftType = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
} as const;

const encoder = new TextEncoder();

/** Writes one Thrift struct in the compact protocol. Fields must come in rising order of id. */
export class ThriftWriter {
  readonly sink: ByteSink;
  #last = 0;
  readonly #outer: number[] = [];

  constructor(sink: ByteSink = new ByteSink(256)) {
    this.sink = sink;
  }

  bool(id: number, value: boolean): void {
    this.#header(id, value ? ThriftType.true : ThriftType.false);
  }

  i8(id: number, value: number): void {
    this.#header(id, ThriftType.byte);
    this.sink.byte(value & 0xff);
  }

  i16(id: number, value: number): void {
    this.#header(id, ThriftType.i16);
    this.zigzag(value);
  }

  i32(id: number, value: number): void {
    this.#header(id, ThriftType.i32);
    this.zigzag(value);
  }

  /** A whole number within ±2^52. */
  i64(id: number, value: number): void {
    this.#header(id, ThriftType.i64);
    this.zigzag(value);
  }

  text(id: number, value: string): void {
    this.binary(id, encoder.encode(value));
  }

  binary(id: number, value: Uint8Array): void {
    this.#header(id, ThriftType.binary);
    this.listedBinary(value);
  }

  list(id: number, elementType: number, count: number): void {
    this.#header(id, ThriftType.list);
    if (count < 15) this.sink.byte((count << 4) | elementType);
    else {
      this.sink.byte(0xf0 | elementType);
      this.sink.varint(count);
    }
  }

  listedText(value: string): void {
    this.listedBinary(encoder.encode(value));
  }

  listedBinary(value: Uint8Array): void {
    this.sink.varint(value.length);
    this.sink.append(value, 0, value.length);
  }

  begin(id: number): void {
    this.#header(id, ThriftType.struct);
    this.beginListed();
  }

  /** A field whose encoded value was read elsewhere; a bool has none, its type says it. */
  raw(id: number, type: number, value: Uint8Array): void {
    this.#header(id, type);
    this.sink.append(value, 0, value.length);
  }

  /** Begins a struct that is an element of a list. */
  beginListed(): void {
    this.#outer.push(this.#last);
    this.#last = 0;
  }

  end(): void {
    this.sink.byte(0);
    this.#last = this.#outer.pop() ?? 0;
  }

  zigzag(value: number): void {
    this.sink.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  #header(id: number, type: number): void {
    const delta = id - this.#last;
    if (delta > 0 && delta < 16) this.sink.byte((delta << 4) | type);
    else {
      this.sink.byte(type);
      this.zigzag(id);
    }
    this.#last = id;
  }
}
