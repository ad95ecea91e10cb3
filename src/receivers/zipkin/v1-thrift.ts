import { AttributeType } from "../../model/attribute-columns.ts";
import type { StringTable } from "../../model/string-table.ts";
import { base64Encode } from "../../util/base64.ts";
import { ThriftBinaryReader } from "../../util/thrift-binary.ts";
import { ThriftError, ThriftType } from "../../util/thrift-reader.ts";
import { TypedValue } from "./attribute-text.ts";
import { Endpoint, IpTexts } from "./endpoint.ts";
import { MAX_MICROS } from "./micros.ts";
import type { V1Span } from "./v1-span.ts";

/** `AnnotationType` of `zipkincore`. */
const ValueType = { bool: 0, bytes: 1, i16: 2, i32: 3, i64: 4, double: 5, string: 6 } as const;

/** Tempo's words for a number that is cut short. */
const NOT_ENOUGH_BYTES = "<not enough bytes representing the number>";

/** Decodes a list of `zipkincore.Span` in Thrift's binary protocol. */
export class V1ThriftDecoder {
  readonly #reader = new ThriftBinaryReader();
  readonly #strings: StringTable;
  readonly #ips: IpTexts;
  readonly #span: V1Span;
  readonly #endpoint = new Endpoint();
  readonly #value = new TypedValue();

  constructor(strings: StringTable, span: V1Span) {
    this.#strings = strings;
    this.#ips = new IpTexts(strings);
    this.#span = span;
  }

  /** What follows the list is not looked at. Throws a `DecodeError` or a `ThriftError`. */
  decode(body: Uint8Array): void {
    const reader = this.#reader;
    reader.reset(body);
    const count = reader.listOf(ThriftType.struct);
    for (let i = 0; i < count; i++) this.#readSpan();
    reader.reset(EMPTY);
  }

  #readSpan(): void {
    const reader = this.#reader;
    const span = this.#span;
    const { ids } = span;
    span.open();
    for (let type = reader.field(); type !== ThriftType.stop; type = reader.field()) {
      switch (reader.fieldId) {
        case 1:
          reader.expect(type, ThriftType.i64);
          ids.setTraceHalf(8, reader.i64(), reader.hi);
          break;
        case 3:
          reader.expect(type, ThriftType.binary);
          span.name = this.#string();
          break;
        case 4:
          reader.expect(type, ThriftType.i64);
          ids.spanLo = reader.i64();
          ids.spanHi = reader.hi;
          break;
        case 5:
          reader.expect(type, ThriftType.i64);
          ids.parentLo = reader.i64();
          ids.parentHi = reader.hi;
          break;
        case 6: {
          reader.expect(type, ThriftType.list);
          const count = reader.listOf(ThriftType.struct);
          for (let i = 0; i < count; i++) this.#readAnnotation();
          break;
        }
        case 8: {
          reader.expect(type, ThriftType.list);
          const count = reader.listOf(ThriftType.struct);
          for (let i = 0; i < count; i++) this.#readBinaryAnnotation();
          break;
        }
        case 10:
          reader.expect(type, ThriftType.i64);
          span.startMicros = this.#micros();
          break;
        case 11:
          reader.expect(type, ThriftType.i64);
          span.durationMicros = this.#micros();
          break;
        case 12:
          reader.expect(type, ThriftType.i64);
          ids.setTraceHalf(0, reader.i64(), reader.hi);
          break;
        default:
          reader.skip(type);
      }
    }
    span.close();
  }

  #readAnnotation(): void {
    const reader = this.#reader;
    let micros = 0;
    let value = 0;
    this.#endpoint.reset();
    for (let type = reader.field(); type !== ThriftType.stop; type = reader.field()) {
      switch (reader.fieldId) {
        case 1:
          reader.expect(type, ThriftType.i64);
          micros = this.#micros();
          break;
        case 2:
          reader.expect(type, ThriftType.binary);
          value = this.#string();
          break;
        case 3:
          reader.expect(type, ThriftType.struct);
          this.#readEndpoint();
          break;
        default:
          reader.skip(type);
      }
    }
    this.#span.annotation(micros, value, this.#endpoint);
  }

  #readBinaryAnnotation(): void {
    const reader = this.#reader;
    let key = 0;
    let start = 0;
    let end = 0;
    let valueType: number = ValueType.string;
    this.#endpoint.reset();
    for (let type = reader.field(); type !== ThriftType.stop; type = reader.field()) {
      switch (reader.fieldId) {
        case 1:
          reader.expect(type, ThriftType.binary);
          key = this.#string();
          break;
        case 2:
          reader.expect(type, ThriftType.binary);
          reader.binary();
          start = reader.start;
          end = reader.end;
          break;
        case 3:
          reader.expect(type, ThriftType.i32);
          valueType = reader.i32();
          break;
        case 4:
          reader.expect(type, ThriftType.struct);
          this.#readEndpoint();
          break;
        default:
          reader.skip(type);
      }
    }
    this.#setValue(valueType, start, end);
    this.#span.binaryAnnotation(key, this.#value, this.#endpoint.service);
  }

  /** Numbers are big endian; bytes of a type that nobody knows are given as base64. */
  #setValue(valueType: number, start: number, end: number): void {
    const value = this.#value;
    const { bytes, view } = this.#reader;
    const least = { 2: 2, 3: 4, 4: 8, 5: 8 }[valueType] ?? 0;
    if (end - start < least) {
      value.setString(this.#strings.internText(NOT_ENOUGH_BYTES));
      return;
    }
    switch (valueType) {
      case ValueType.bool:
        value.setBool(end - start === 1 && bytes[start] === 1);
        return;
      case ValueType.i16:
        value.setInt32(view.getInt16(start));
        return;
      case ValueType.i32:
        value.setInt32(view.getInt32(start));
        return;
      case ValueType.i64:
        value.set(AttributeType.int, view.getUint32(start + 4), view.getUint32(start));
        return;
      case ValueType.double:
        value.set(AttributeType.double, view.getUint32(start + 4), view.getUint32(start));
        return;
      case ValueType.string:
        value.setString(this.#strings.intern(bytes, start, end));
        return;
      default: {
        const text = base64Encode(bytes.subarray(start, end));
        value.setString(this.#strings.intern(text, 0, text.length));
      }
    }
  }

  #readEndpoint(): void {
    const reader = this.#reader;
    const endpoint = this.#endpoint;
    for (let type = reader.field(); type !== ThriftType.stop; type = reader.field()) {
      switch (reader.fieldId) {
        case 1: {
          reader.expect(type, ThriftType.i32);
          const at = reader.pos;
          // 0.0.0.0 stands for "none".
          endpoint.ipv4 = reader.i32() === 0 ? 0 : this.#ips.ofBytes(reader.bytes, at, at + 4);
          break;
        }
        case 2:
          reader.expect(type, ThriftType.i16);
          endpoint.port = reader.i16() & 0xffff;
          break;
        case 3:
          reader.expect(type, ThriftType.binary);
          endpoint.service = this.#string();
          break;
        case 4: {
          reader.expect(type, ThriftType.binary);
          reader.binary();
          const { bytes, start, end } = reader;
          if (end !== start && end - start !== 16) {
            throw new ThriftError(`ipv6 of ${end - start} bytes instead of 16 at byte ${start}`);
          }
          endpoint.ipv6 = this.#ips.ofBytes(bytes, start, end);
          break;
        }
        default:
          reader.skip(type);
      }
    }
  }

  #string(): number {
    const reader = this.#reader;
    reader.binary();
    return this.#strings.intern(reader.bytes, reader.start, reader.end);
  }

  #micros(): number {
    const reader = this.#reader;
    const at = reader.pos;
    const lo = reader.i64();
    const micros = reader.hi * 2 ** 32 + lo;
    if (micros > MAX_MICROS) {
      throw new ThriftError(`microseconds at byte ${at} are negative or beyond 2^53`);
    }
    return micros;
  }
}

const EMPTY = new Uint8Array(0);
