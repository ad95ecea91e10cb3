import {
  MAX_SKIP_DEPTH,
  methodName,
  ThriftError,
  type ThriftReader,
  ThriftType,
} from "./thrift-reader.ts";

const PROTOCOL_ID = 0x82;
const VERSION_MASK = 0x1f;
const VERSION = 1;
/** A bool field's value is its type. */
const TRUE = 1;
const FALSE = 2;

/** Types by their numbers on the wire, 0 = none that a value can have. */
const TYPES = Uint8Array.of(
  ThriftType.stop,
  ThriftType.bool,
  ThriftType.bool,
  ThriftType.byte,
  ThriftType.i16,
  ThriftType.i32,
  ThriftType.i64,
  ThriftType.double,
  ThriftType.binary,
  ThriftType.list,
  ThriftType.set,
  ThriftType.map,
  ThriftType.struct,
  ThriftType.uuid,
  0,
  0,
);

/**
 * A cursor over data in Thrift's compact protocol (integers are varints, doubles little endian). Every
 * read is checked against the end of the data and throws a `ThriftError` rather than go past it. No
 * read allocates.
 */
export class ThriftCompactReader implements ThriftReader {
  bytes = new Uint8Array(0);
  view = new DataView(this.bytes.buffer);
  pos = 0;
  fieldId = 0;
  elementType = 0;
  hi = 0;
  start = 0;
  end = 0;
  #bool = false;

  reset(bytes: Uint8Array): void {
    const buffer = bytes.buffer as ArrayBuffer;
    this.bytes = new Uint8Array(buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(buffer, bytes.byteOffset, bytes.byteLength);
    this.pos = 0;
  }

  message(): string {
    if (this.#byte() !== PROTOCOL_ID) throw new ThriftError("no message of the compact protocol");
    if ((this.#byte() & VERSION_MASK) !== VERSION) {
      throw new ThriftError("message of an unknown version");
    }
    this.#varint();
    this.binary();
    return methodName(this.bytes, this.start, this.end);
  }

  field(previous: number): number {
    const header = this.#byte();
    if (header === 0) return ThriftType.stop;
    const delta = header >>> 4;
    const type = header & 0x0f;
    // Ids are 16 bits wide, signed.
    this.fieldId = (((delta === 0 ? this.i32() : previous + delta) << 16) >> 16) | 0;
    if (type === TRUE || type === FALSE) this.#bool = type === TRUE;
    return this.#valueType(type);
  }

  bool(): boolean {
    return this.#bool;
  }

  i32(): number {
    const lo = this.#varint();
    return (lo >>> 1) ^ -(lo & 1);
  }

  i64(): number {
    const lo = this.#varint();
    const { hi } = this;
    const sign = -(lo & 1);
    this.hi = ((hi >>> 1) ^ sign) >>> 0;
    return (((lo >>> 1) | (hi << 31)) ^ sign) >>> 0;
  }

  double(): number {
    const at = this.#take(8);
    this.hi = this.view.getUint32(at + 4, true);
    return this.view.getUint32(at, true);
  }

  binary(): void {
    const length = this.#count();
    this.start = this.pos;
    this.end = this.pos + length;
    this.pos = this.end;
  }

  list(): number {
    const header = this.#byte();
    const short = header >>> 4;
    const count = short === 0x0f ? this.#count() : this.#checkCount(short);
    this.elementType = count === 0 ? TYPES[header & 0x0f]! : this.#valueType(header & 0x0f);
    return count;
  }

  listOf(elementType: number): number {
    const count = this.list();
    if (count > 0 && this.elementType !== elementType) {
      throw new ThriftError(`list of type ${this.elementType} at byte ${this.pos}`);
    }
    return count;
  }

  skip(type: number): void {
    // The value of a bool field is in its header.
    if (type !== ThriftType.bool) this.#skip(type, 0);
  }

  #skip(type: number, depth: number): void {
    if (depth > MAX_SKIP_DEPTH) {
      throw new ThriftError(`values nest deeper than ${MAX_SKIP_DEPTH} levels`);
    }
    switch (type) {
      case ThriftType.bool:
      case ThriftType.byte:
        this.#take(1);
        return;
      case ThriftType.i16:
      case ThriftType.i32:
      case ThriftType.i64:
        this.#varint();
        return;
      case ThriftType.double:
        this.#take(8);
        return;
      case ThriftType.uuid:
        this.#take(16);
        return;
      case ThriftType.binary:
        this.binary();
        return;
      case ThriftType.struct: {
        let id = 0;
        for (;;) {
          const fieldType = this.field(id);
          if (fieldType === ThriftType.stop) return;
          id = this.fieldId;
          if (fieldType !== ThriftType.bool) this.#skip(fieldType, depth + 1);
        }
      }
      case ThriftType.map: {
        const count = this.#count();
        if (count === 0) return;
        const types = this.#byte();
        const keyType = this.#valueType(types >>> 4);
        const valueType = this.#valueType(types & 0x0f);
        for (let i = 0; i < count; i++) {
          this.#skip(keyType, depth + 1);
          this.#skip(valueType, depth + 1);
        }
        return;
      }
      case ThriftType.set:
      case ThriftType.list: {
        const count = this.list();
        const { elementType } = this;
        for (let i = 0; i < count; i++) this.#skip(elementType, depth + 1);
        return;
      }
      default:
        throw new ThriftError(`unknown type ${type} at byte ${this.pos}`);
    }
  }

  #valueType(number: number): number {
    const type = TYPES[number]!;
    if (type === 0) throw new ThriftError(`unknown type ${number} at byte ${this.pos}`);
    return type;
  }

  /** Length of a string, or elements of a container, each of which takes a byte at least. */
  #count(): number {
    const count = this.#varint() >>> 0;
    return this.#checkCount(this.hi === 0 ? count : Number.POSITIVE_INFINITY);
  }

  #checkCount(count: number): number {
    if (count > this.bytes.length - this.pos) {
      throw new ThriftError(`count ${count} at byte ${this.pos} is beyond the data`);
    }
    return count;
  }

  #byte(): number {
    return this.bytes[this.#take(1)]!;
  }

  #take(count: number): number {
    const at = this.pos;
    if (count > this.bytes.length - at) throw new ThriftError(`truncated data at byte ${at}`);
    this.pos = at + count;
    return at;
  }

  /** The low 32 bits of an unsigned varint, as an int32; the high ones are left in `hi`. */
  #varint(): number {
    const { bytes } = this;
    let { pos } = this;
    const limit = Math.min(bytes.length, pos + 10);
    let lo = 0;
    let hi = 0;
    let shift = 0;
    while (pos < limit) {
      const byte = bytes[pos++]!;
      const payload = byte & 0x7f;
      if (shift < 28) lo |= payload << shift;
      else if (shift === 28) {
        lo |= payload << 28;
        hi = payload >>> 4;
      } else hi |= payload << (shift - 32);
      if (byte < 0x80) {
        this.pos = pos;
        this.hi = hi;
        return lo;
      }
      shift += 7;
    }
    if (limit === bytes.length) throw new ThriftError(`truncated data at byte ${limit}`);
    throw new ThriftError(`varint of more than 10 bytes at byte ${this.pos}`);
  }
}
