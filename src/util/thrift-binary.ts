import {
  MAX_SKIP_DEPTH,
  methodName,
  ThriftError,
  type ThriftReader,
  ThriftType,
} from "./thrift-reader.ts";

/** The least bytes that a value of each type takes; 0 = no such type. */
const LEAST_BYTES = [0, 0, 1, 1, 8, 0, 2, 0, 4, 0, 8, 4, 1, 6, 5, 5, 16] as const;

/** The upper half of a strict message's first word. */
const VERSION_1 = 0x8001;

/**
 * A cursor over data in Thrift's binary protocol (big endian). Every read is checked against the end
 * of the data and throws a `ThriftError` rather than go past it. No read allocates.
 */
export class ThriftBinaryReader implements ThriftReader {
  bytes = new Uint8Array(0);
  view = new DataView(this.bytes.buffer);
  pos = 0;
  /** Id of the field that `field` read last. */
  fieldId = 0;
  /** Element type of the list or set that `list` read last. */
  elementType = 0;
  /** High half of what `i64` or `double` read last. */
  hi = 0;
  /** What `binary` read last: `bytes[start .. end]`. */
  start = 0;
  end = 0;

  reset(bytes: Uint8Array): void {
    // A plain Uint8Array always, so that accesses stay monomorphic for Node's Buffers.
    const buffer = bytes.buffer as ArrayBuffer;
    this.bytes = new Uint8Array(buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(buffer, bytes.byteOffset, bytes.byteLength);
    this.pos = 0;
  }

  /** Strict headers begin with a version, which is negative as a number; old ones with the name. */
  message(): string {
    const first = this.i32();
    if (first < 0) {
      if (first >>> 16 !== VERSION_1) throw new ThriftError("message of an unknown version");
      this.binary();
    } else {
      this.pos -= 4;
      this.binary();
      this.byte();
    }
    const name = methodName(this.bytes, this.start, this.end);
    this.i32();
    return name;
  }

  /** The type of a struct's next field, whose id is left in `fieldId`; `stop` at the struct's end. */
  field(): number {
    const type = this.byte();
    if (type === ThriftType.stop) return type;
    this.fieldId = this.i16();
    return type;
  }

  /** Throws unless a field has the type that its struct gives it. */
  expect(type: number, wanted: number): void {
    if (type === wanted) return;
    throw new ThriftError(`field ${this.fieldId} of type ${type} at byte ${this.pos}`);
  }

  bool(): boolean {
    return this.byte() === 1;
  }

  /** Unsigned. */
  byte(): number {
    return this.bytes[this.#take(1)]!;
  }

  i16(): number {
    return this.view.getInt16(this.#take(2));
  }

  i32(): number {
    return this.view.getInt32(this.#take(4));
  }

  /** The low half, unsigned; the high one is left in `hi`, unsigned. */
  i64(): number {
    const at = this.#take(8);
    this.hi = this.view.getUint32(at);
    return this.view.getUint32(at + 4);
  }

  /** The IEEE 754 bits, as `i64` gives them. */
  double(): number {
    return this.i64();
  }

  /** Steps over a binary or string and leaves its place in `start` and `end`. */
  binary(): void {
    const length = this.i32();
    if (length < 0 || length > this.bytes.length - this.pos) {
      throw new ThriftError(`length ${length} at byte ${this.pos - 4} is beyond the data`);
    }
    this.start = this.pos;
    this.end = this.pos + length;
    this.pos = this.end;
  }

  /**
   * The number of elements of a list or set, whose type is left in `elementType`. What is left of
   * the data has room for them, so that a count cannot make anyone allocate more.
   */
  list(): number {
    this.elementType = this.byte();
    const count = this.i32();
    this.#checkCount(count, LEAST_BYTES[this.elementType] ?? 0);
    return count;
  }

  /** As `list`, and throws unless the elements have the type that they should have. */
  listOf(elementType: number): number {
    const count = this.list();
    if (count > 0 && this.elementType !== elementType) {
      throw new ThriftError(`list of type ${this.elementType} at byte ${this.pos}`);
    }
    return count;
  }

  /** Steps over a value of any type. Throws when it nests deeper than `MAX_SKIP_DEPTH`. */
  skip(type: number, depth = 0): void {
    if (depth > MAX_SKIP_DEPTH) {
      throw new ThriftError(`values nest deeper than ${MAX_SKIP_DEPTH} levels`);
    }
    switch (type) {
      case ThriftType.bool:
      case ThriftType.byte:
      case ThriftType.i16:
      case ThriftType.i32:
      case ThriftType.i64:
      case ThriftType.double:
      case ThriftType.uuid:
        this.#take(LEAST_BYTES[type]);
        return;
      case ThriftType.binary:
        this.binary();
        return;
      case ThriftType.struct:
        for (;;) {
          const fieldType = this.field();
          if (fieldType === ThriftType.stop) return;
          this.skip(fieldType, depth + 1);
        }
      case ThriftType.map: {
        const keyType = this.byte();
        const valueType = this.byte();
        const count = this.i32();
        const least = (LEAST_BYTES[keyType] ?? 0) * (LEAST_BYTES[valueType] ?? 0);
        this.#checkCount(count, least === 0 ? 0 : LEAST_BYTES[keyType]! + LEAST_BYTES[valueType]!);
        for (let i = 0; i < count; i++) {
          this.skip(keyType, depth + 1);
          this.skip(valueType, depth + 1);
        }
        return;
      }
      case ThriftType.set:
      case ThriftType.list: {
        const count = this.list();
        const { elementType } = this;
        for (let i = 0; i < count; i++) this.skip(elementType, depth + 1);
        return;
      }
      default:
        throw new ThriftError(`unknown type ${type} at byte ${this.pos}`);
    }
  }

  #checkCount(count: number, leastBytes: number): void {
    if (count === 0) return;
    if (leastBytes === 0) throw new ThriftError(`unknown type before byte ${this.pos}`);
    if (count < 0 || count > (this.bytes.length - this.pos) / leastBytes) {
      throw new ThriftError(`count ${count} at byte ${this.pos - 4} is beyond the data`);
    }
  }

  #take(count: number): number {
    const at = this.pos;
    if (count > this.bytes.length - at) throw new ThriftError(`truncated data at byte ${at}`);
    this.pos = at + count;
    return at;
  }
}
