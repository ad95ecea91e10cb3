import type { StringTable } from "../../model/string-table.ts";
import { WireError, WireReader } from "../../util/wire-reader.ts";
import { type Endpoint, IpTexts } from "./endpoint.ts";
import { MAX_MICROS } from "./micros.ts";
import type { V2Span } from "./v2-span.ts";

/** OTLP's numbers by Zipkin's, which differ. */
const KINDS = [0, 3, 2, 4, 5] as const;

/** Bits 1 to 13: the fields of a span. */
const SPAN_FIELDS = 0b11_1111_1111_1110;

/** Decodes `zipkin.proto3.ListOfSpans`. */
export class V2ProtobufDecoder {
  readonly #reader = new WireReader();
  readonly #strings: StringTable;
  readonly #ips: IpTexts;
  readonly #span: V2Span;

  constructor(strings: StringTable, span: V2Span) {
    this.#strings = strings;
    this.#ips = new IpTexts(strings);
    this.#span = span;
  }

  /** Throws a `DecodeError` or a `WireError`. */
  decode(body: Uint8Array): void {
    const reader = this.#reader;
    reader.reset(body);
    this.#span.marksAbsentStart = false;
    while (reader.pos < body.length) {
      const tag = reader.tag(body.length);
      if (tag === 0x0a) this.#readSpan(reader.sub(body.length));
      else reader.skip(tag, 0b10, body.length);
    }
    reader.reset(EMPTY);
  }

  #readSpan(end: number): void {
    const reader = this.#reader;
    const span = this.#span;
    const { ids } = span;
    let hasTrace = false;
    let hasId = false;
    span.open();
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x5a) {
        this.#readTag(reader.sub(end));
        continue;
      }
      switch (tag) {
        case 0x0a:
          this.#readTraceId(reader.sub(end));
          hasTrace = true;
          break;
        case 0x12: {
          const at = this.#id(end, true);
          ids.parentHi = at < 0 ? 0 : reader.view.getUint32(at);
          ids.parentLo = at < 0 ? 0 : reader.view.getUint32(at + 4);
          break;
        }
        case 0x1a: {
          const at = this.#id(end, false);
          ids.spanHi = reader.view.getUint32(at);
          ids.spanLo = reader.view.getUint32(at + 4);
          hasId = true;
          break;
        }
        case 0x20:
          span.kind = KINDS[reader.varint(end)] ?? 0;
          break;
        case 0x2a:
          span.name = this.#string(end);
          break;
        case 0x31:
          span.startMicros = this.#fixedMicros(end);
          break;
        case 0x38: {
          const lo = reader.varint(end) >>> 0;
          span.durationMicros = micros(lo, reader.hi >>> 0, reader.pos);
          break;
        }
        case 0x42:
          this.#readEndpoint(span.local, reader.sub(end));
          break;
        case 0x4a:
          this.#readEndpoint(span.remote, reader.sub(end));
          break;
        case 0x52:
          this.#readAnnotation(reader.sub(end));
          break;
        case 0x60:
        case 0x68:
          // debug and shared
          reader.varint(end);
          break;
        default:
          reader.skip(tag, SPAN_FIELDS, end);
      }
    }
    if (!hasTrace) throw new WireError("span without trace_id");
    if (!hasId) throw new WireError("span without id");
    span.close();
  }

  /** 16 bytes, or 8 that are the low half. */
  #readTraceId(end: number): void {
    const reader = this.#reader;
    const { ids } = this.#span;
    const at = reader.pos;
    const length = end - at;
    if (length !== 16 && length !== 8) {
      throw new WireError(`trace_id of ${length} bytes instead of 16 at byte ${at}`);
    }
    const low = end - 8;
    if (length === 16) {
      ids.setTraceHalf(0, reader.view.getUint32(at + 4), reader.view.getUint32(at));
    } else ids.setTraceHalf(0, 0, 0);
    ids.setTraceHalf(8, reader.view.getUint32(low + 4), reader.view.getUint32(low));
    reader.pos = end;
  }

  /** Steps over an id and returns where it begins, -1 when it is empty and may be. */
  #id(end: number, mayBeEmpty: boolean): number {
    const reader = this.#reader;
    const idEnd = reader.sub(end);
    const at = reader.pos;
    reader.pos = idEnd;
    if (idEnd - at === 8) return at;
    if (idEnd === at && mayBeEmpty) return -1;
    throw new WireError(`id of ${idEnd - at} bytes instead of 8 at byte ${at}`);
  }

  /** An entry of the map: key and value, either of which may be left out when empty. */
  #readTag(end: number): void {
    const reader = this.#reader;
    let keyStart = 0;
    let keyEnd = 0;
    let valueStart = 0;
    let valueEnd = 0;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) {
        keyEnd = reader.sub(end);
        keyStart = reader.pos;
        reader.pos = keyEnd;
      } else if (tag === 0x12) {
        valueEnd = reader.sub(end);
        valueStart = reader.pos;
        reader.pos = valueEnd;
      } else reader.skip(tag, 0b110, end);
    }
    this.#span.beginTag(reader.bytes, keyStart, keyEnd);
    this.#span.endTag(reader.bytes, valueStart, valueEnd);
  }

  #readAnnotation(end: number): void {
    const reader = this.#reader;
    const span = this.#span;
    let time = 0;
    let valueStart = 0;
    let valueEnd = 0;
    span.beginAnnotation();
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x09) time = this.#fixedMicros(end);
      else if (tag === 0x12) {
        valueEnd = reader.sub(end);
        valueStart = reader.pos;
        reader.pos = valueEnd;
      } else reader.skip(tag, 0b110, end);
    }
    span.annotationValue(reader.bytes, valueStart, valueEnd);
    span.endAnnotation(time);
  }

  #readEndpoint(endpoint: Endpoint, end: number): void {
    const reader = this.#reader;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) endpoint.service = this.#string(end);
      else if (tag === 0x12) endpoint.ipv4 = this.#ip(reader.sub(end), 4);
      else if (tag === 0x1a) endpoint.ipv6 = this.#ip(reader.sub(end), 16);
      else if (tag === 0x20) endpoint.port = reader.varint(end) & 0xffff;
      else reader.skip(tag, 0b11110, end);
    }
  }

  #ip(end: number, length: number): number {
    const reader = this.#reader;
    const at = reader.pos;
    reader.pos = end;
    if (end !== at && end - at !== length) {
      throw new WireError(`IP address of ${end - at} bytes instead of ${length} at byte ${at}`);
    }
    return this.#ips.ofBytes(reader.bytes, at, end);
  }

  #string(end: number): number {
    const reader = this.#reader;
    const stringEnd = reader.sub(end);
    const start = reader.pos;
    reader.pos = stringEnd;
    return this.#strings.intern(reader.bytes, start, stringEnd);
  }

  #fixedMicros(end: number): number {
    const reader = this.#reader;
    const at = reader.fixed64(end);
    return micros(reader.view.getUint32(at, true), reader.view.getUint32(at + 4, true), at);
  }
}

function micros(lo: number, hi: number, at: number): number {
  const value = hi * 2 ** 32 + lo;
  if (value > MAX_MICROS) throw new WireError(`microseconds beyond 2^53 at byte ${at}`);
  return value;
}

const EMPTY = new Uint8Array(0);
