/**
 * Writes protobuf wire data into a growing buffer. Lengths of nested messages are put in when the
 * message ends, which moves its content by a byte or more only when it is longer than 127 bytes.
 */
export class WireWriter {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #float = new DataView(new ArrayBuffer(8));

  constructor(capacity: number) {
    this.bytes = new Uint8Array(Math.max(64, capacity));
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** An unsigned 32-bit varint. */
  varint32(value: number): void {
    this.reserve(5);
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /** A varint of the low 64 bits of `value` in two's complement. */
  varint64(value: bigint): void {
    if (value >= 0n && value < 0x7fff_ffffn) {
      this.varint32(Number(value));
      return;
    }
    this.reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.bytes[this.length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.bytes[this.length++] = Number(rest);
  }

  fixed32(value: number): void {
    this.#float.setUint32(0, value, true);
    this.#copyFloat(4);
  }

  fixed64(value: bigint): void {
    this.#float.setBigUint64(0, BigInt.asUintN(64, value), true);
    this.#copyFloat(8);
  }

  double(value: number): void {
    this.#float.setFloat64(0, value, true);
    this.#copyFloat(8);
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  append(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  /** `source[start .. end]`. */
  appendRange(source: Uint8Array, start: number, end: number): void {
    if (end - start > 64) {
      this.append(source.subarray(start, end));
      return;
    }
    // For few bytes a view costs more than the copy.
    this.reserve(end - start);
    const bytes = this.bytes;
    let length = this.length;
    for (let i = start; i < end; i++) bytes[length++] = source[i]!;
    this.length = length;
  }

  /** Begins a length-delimited field whose tag was written; returns what `end` wants. */
  begin(): number {
    this.byte(0);
    return this.length;
  }

  end(begin: number): void {
    const size = this.length - begin;
    if (size < 0x80) {
      this.bytes[begin - 1] = size;
      return;
    }
    let extra = 0;
    for (let rest = size >>> 7; rest > 0; rest >>>= 7) extra++;
    this.reserve(extra);
    this.bytes.copyWithin(begin + extra, begin, this.length);
    const total = this.length + extra;
    this.length = begin - 1;
    this.varint32(size);
    this.length = total;
  }

  #copyFloat(count: number): void {
    this.reserve(count);
    for (let i = 0; i < count; i++) this.bytes[this.length++] = this.#float.getUint8(i);
  }
}
