import type { StringTable } from "../../model/string-table.ts";
import { JsonReader } from "../shared/json-reader.ts";
import { TypedValue } from "./attribute-text.ts";
import { Endpoint } from "./endpoint.ts";
import {
  badId,
  internString,
  memberNames,
  nextMember,
  readMicros,
  readPort,
} from "./json-parts.ts";
import type { V1Span } from "./v1-span.ts";

const Member = {
  traceId: 1,
  id: 2,
  parentId: 3,
  name: 4,
  timestamp: 5,
  duration: 6,
  annotations: 7,
  binaryAnnotations: 8,
} as const;
const SPAN = memberNames(Member);
const AnnotationMember = { timestamp: 1, value: 2, endpoint: 3, key: 4 } as const;
const ANNOTATION = memberNames(AnnotationMember);
const EndpointMember = { serviceName: 1, ipv4: 2, ipv6: 3, port: 4 } as const;
const ENDPOINT = memberNames(EndpointMember);

/** Decodes lists of spans in JSON, version 1. */
export class V1JsonDecoder {
  readonly #reader = new JsonReader(EMPTY);
  readonly #strings: StringTable;
  readonly #span: V1Span;
  readonly #endpoint = new Endpoint();
  readonly #value = new TypedValue();

  constructor(strings: StringTable, span: V1Span) {
    this.#strings = strings;
    this.#span = span;
  }

  /** `null` is an empty list. Throws a `DecodeError`. */
  decode(body: Uint8Array): void {
    const reader = this.#reader;
    reader.reset(body);
    if (!reader.takeNull()) {
      reader.beginArray();
      for (let first = true; reader.nextElement(first); first = false) this.#readSpan();
    }
    reader.expectEnd();
    reader.reset(EMPTY);
  }

  #readSpan(): void {
    const reader = this.#reader;
    const span = this.#span;
    const { ids } = span;
    span.open();
    reader.beginObject();
    for (let first = true; ; first = false) {
      const member = nextMember(reader, SPAN, first);
      if (member < 0) break;
      if (reader.takeNull()) continue;
      switch (member) {
        case Member.traceId: {
          reader.string();
          const { text, start, end } = reader;
          const length = end - start;
          if ((length !== 16 && length !== 32) || !ids.setTraceHex(text, start, end)) {
            throw badId("traceId");
          }
          break;
        }
        case Member.id: {
          reader.string();
          const { text, start, end } = reader;
          if (end - start !== 16 || !ids.setSpanHex(text, start, end)) throw badId("id");
          break;
        }
        case Member.parentId: {
          reader.string();
          const { text, start, end } = reader;
          if (start === end) break;
          if (end - start !== 16 || !ids.setParentHex(text, start, end) || !ids.hasParent) {
            throw badId("parentId");
          }
          break;
        }
        case Member.name:
          span.name = internString(reader, this.#strings);
          break;
        case Member.timestamp:
          span.startMicros = readMicros(reader);
          break;
        case Member.duration:
          span.durationMicros = readMicros(reader);
          break;
        case Member.annotations:
          reader.beginArray();
          for (let i = 0; reader.nextElement(i === 0); i++) this.#readAnnotation();
          break;
        case Member.binaryAnnotations:
          reader.beginArray();
          for (let i = 0; reader.nextElement(i === 0); i++) this.#readBinaryAnnotation();
          break;
        default:
          reader.skip();
      }
    }
    if (!ids.hasTrace) throw badId("traceId");
    if (!ids.hasSpan) throw badId("id");
    span.close();
  }

  #readAnnotation(): void {
    const reader = this.#reader;
    let micros = 0;
    let value = 0;
    this.#endpoint.reset();
    reader.beginObject();
    for (let first = true; ; first = false) {
      const member = nextMember(reader, ANNOTATION, first);
      if (member < 0) break;
      if (reader.takeNull()) continue;
      if (member === AnnotationMember.timestamp) micros = readMicros(reader);
      else if (member === AnnotationMember.value) value = internString(reader, this.#strings);
      else if (member === AnnotationMember.endpoint) this.#readEndpoint();
      else reader.skip();
    }
    this.#span.annotation(micros, value, this.#endpoint);
  }

  #readBinaryAnnotation(): void {
    const reader = this.#reader;
    const value = this.#value;
    let key = 0;
    value.setString(0);
    this.#endpoint.reset();
    reader.beginObject();
    for (let first = true; ; first = false) {
      const member = nextMember(reader, ANNOTATION, first);
      if (member < 0) break;
      if (reader.takeNull()) continue;
      if (member === AnnotationMember.key) key = internString(reader, this.#strings);
      else if (member === AnnotationMember.value) this.#readValue();
      else if (member === AnnotationMember.endpoint) this.#readEndpoint();
      else reader.skip();
    }
    this.#span.binaryAnnotation(key, value, this.#endpoint.service);
  }

  /** A text; v1 encoders write `true` for addresses, and some write numbers. */
  #readValue(): void {
    const reader = this.#reader;
    const value = this.#value;
    switch (reader.peek()) {
      case 0x22:
        value.setString(internString(reader, this.#strings));
        return;
      case 0x74:
      case 0x66:
        value.setBool(reader.boolean());
        return;
      default:
        value.setNumber(reader.number());
    }
  }

  #readEndpoint(): void {
    const reader = this.#reader;
    const endpoint = this.#endpoint;
    reader.beginObject();
    for (let first = true; ; first = false) {
      const member = nextMember(reader, ENDPOINT, first);
      if (member < 0) return;
      if (reader.takeNull()) continue;
      switch (member) {
        case EndpointMember.serviceName:
          endpoint.service = internString(reader, this.#strings);
          break;
        case EndpointMember.ipv4:
          endpoint.ipv4 = internString(reader, this.#strings);
          break;
        case EndpointMember.ipv6:
          endpoint.ipv6 = internString(reader, this.#strings);
          break;
        case EndpointMember.port:
          endpoint.port = readPort(reader);
          break;
        default:
          reader.skip();
      }
    }
  }
}

const EMPTY = new Uint8Array(0);
