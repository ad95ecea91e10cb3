import type { StringTable } from "../../model/string-table.ts";
import { JsonReader } from "../shared/json-reader.ts";
import { type Endpoint, IpTexts } from "./endpoint.ts";
import {
  badId,
  internString,
  memberNames,
  nextMember,
  readMicros,
  readPort,
} from "./json-parts.ts";
import type { V2Span } from "./v2-span.ts";

const Member = {
  traceId: 1,
  id: 2,
  parentId: 3,
  name: 4,
  kind: 5,
  timestamp: 6,
  duration: 7,
  localEndpoint: 8,
  remoteEndpoint: 9,
  annotations: 10,
  tags: 11,
} as const;
const SPAN = memberNames(Member);
const EndpointMember = { serviceName: 1, ipv4: 2, ipv6: 3, port: 4 } as const;
const ENDPOINT = memberNames(EndpointMember);
const AnnotationMember = { timestamp: 1, value: 2 } as const;
const ANNOTATION = memberNames(AnnotationMember);

/** Decodes lists of spans in JSON, version 2. */
export class V2JsonDecoder {
  readonly #reader = new JsonReader(EMPTY);
  readonly #strings: StringTable;
  readonly #ips: IpTexts;
  readonly #span: V2Span;
  /** OTLP's numbers by the string id of the kind. */
  readonly #kinds: ReadonlyMap<number, number>;

  constructor(strings: StringTable, span: V2Span) {
    this.#strings = strings;
    this.#ips = new IpTexts(strings);
    this.#span = span;
    this.#kinds = new Map([
      [strings.internText("SERVER"), 2],
      [strings.internText("CLIENT"), 3],
      [strings.internText("PRODUCER"), 4],
      [strings.internText("CONSUMER"), 5],
    ]);
  }

  /** `null` is an empty list. Throws a `DecodeError`. */
  decode(body: Uint8Array): void {
    const reader = this.#reader;
    reader.reset(body);
    this.#span.marksAbsentStart = true;
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
        case Member.traceId:
          reader.string();
          if (!ids.setTraceHex(reader.text, reader.start, reader.end)) throw badId("traceId");
          break;
        case Member.id:
          reader.string();
          if (!ids.setSpanHex(reader.text, reader.start, reader.end)) throw badId("id");
          break;
        case Member.parentId:
          reader.string();
          if (
            reader.start < reader.end &&
            !ids.setParentHex(reader.text, reader.start, reader.end)
          ) {
            throw badId("parentId");
          }
          break;
        case Member.name:
          span.name = internString(reader, this.#strings);
          break;
        case Member.kind:
          span.kind = this.#kinds.get(internString(reader, this.#strings)) ?? 0;
          break;
        case Member.timestamp:
          span.startMicros = readMicros(reader);
          break;
        case Member.duration:
          span.durationMicros = readMicros(reader);
          break;
        case Member.localEndpoint:
          this.#readEndpoint(span.local);
          break;
        case Member.remoteEndpoint:
          this.#readEndpoint(span.remote);
          break;
        case Member.annotations:
          reader.beginArray();
          for (let i = 0; reader.nextElement(i === 0); i++) this.#readAnnotation();
          break;
        case Member.tags:
          this.#readTags();
          break;
        default:
          reader.skip();
      }
    }
    if (!ids.hasSpan) throw badId("id");
    span.close();
  }

  #readTags(): void {
    const reader = this.#reader;
    const span = this.#span;
    reader.beginObject();
    for (let first = true; reader.nextKey(first); first = false) {
      span.beginTag(reader.text, reader.start, reader.end);
      if (reader.takeNull()) span.endTag(EMPTY, 0, 0);
      else {
        reader.string();
        span.endTag(reader.text, reader.start, reader.end);
      }
    }
  }

  #readAnnotation(): void {
    const reader = this.#reader;
    const span = this.#span;
    let micros = 0;
    span.beginAnnotation();
    reader.beginObject();
    for (let first = true; ; first = false) {
      const member = nextMember(reader, ANNOTATION, first);
      if (member < 0) break;
      if (reader.takeNull()) continue;
      if (member === AnnotationMember.timestamp) micros = readMicros(reader);
      else if (member === AnnotationMember.value) {
        reader.string();
        span.annotationValue(reader.text, reader.start, reader.end);
      } else reader.skip();
    }
    if (micros === 0) throw reader.error("annotation without a timestamp");
    span.endAnnotation(micros);
  }

  #readEndpoint(endpoint: Endpoint): void {
    const reader = this.#reader;
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
          endpoint.ipv4 = this.#readIp();
          break;
        case EndpointMember.ipv6:
          endpoint.ipv6 = this.#readIp();
          break;
        case EndpointMember.port:
          endpoint.port = readPort(reader);
          break;
        default:
          reader.skip();
      }
    }
  }

  #readIp(): number {
    const reader = this.#reader;
    reader.string();
    const ip = this.#ips.ofText(reader.text, reader.start, reader.end);
    if (ip < 0) throw reader.error("not an IP address");
    return ip;
  }
}

const EMPTY = new Uint8Array(0);
