import { AttributeType } from "../../model/attribute-columns.ts";
import type { TruncatedAttributes } from "../../model/batch-decoder.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { type AttributeText, type BinaryValue, TypedValue } from "./attribute-text.ts";
import { Endpoint } from "./endpoint.ts";
import { MAX_ATTRIBUTES, MAX_EVENTS, tooManyAttributes, tooManyEvents } from "./limits.ts";
import { storeMicros, storeTimes } from "./micros.ts";
import type { ResourceRows } from "./resource-rows.ts";
import { SpanIds } from "./span-ids.ts";
import { V1Status } from "./v1-status.ts";

/** Annotations that say which side of a call a span is, as OTLP's span kinds. */
const KIND_CODES: readonly (readonly [string, number])[] = [
  ["cs", 3],
  ["cr", 3],
  ["ss", 2],
  ["sr", 2],
  ["ms", 4],
  ["mr", 5],
];

/**
 * The v1 span at hand on its way into the batch, whichever wire format it comes in: `open`, then its
 * parts in any order, then `close`.
 */
export class V1Span {
  readonly ids = new SpanIds();
  name = 0;
  startMicros = 0;
  durationMicros = 0;
  /** Whether texts that look like numbers or booleans become such. */
  parsesTags = false;
  /** Stands for the times of spans that have none at all; 0 leaves them without. */
  receivedMicros = 0;
  #row = 0;
  #kind = 0;
  /** Of the first kind-bearing annotation that names a service. */
  readonly #endpoint = new Endpoint();
  #binaryService = 0;
  #localComponent = 0;
  #earliest = 0;
  #latest = 0;
  readonly #batch: SpanBatch;
  readonly #text: AttributeText;
  readonly #rows: ResourceRows;
  readonly #truncated: TruncatedAttributes;
  readonly #typed = new TypedValue();
  readonly #status: V1Status;
  readonly #resource: number[] = [];
  readonly #kinds: ReadonlyMap<number, number>;
  readonly #words: Readonly<Record<Word, number>>;

  constructor(
    batch: SpanBatch,
    text: AttributeText,
    rows: ResourceRows,
    truncated: TruncatedAttributes,
  ) {
    this.#batch = batch;
    this.#text = text;
    this.#rows = rows;
    this.#truncated = truncated;
    this.#status = new V1Status(batch.strings);
    const id = (word: string) => batch.strings.internText(word);
    this.#kinds = new Map(KIND_CODES.map(([code, kind]) => [id(code), kind]));
    this.#words = {
      localComponent: id("lc"),
      component: id("component"),
      unknownService: id("unknown-service"),
      serviceName: id("service.name"),
      ipv4: id("ipv4"),
      ipv6: id("ipv6"),
      port: id("port"),
      absentStart: id("otel.zipkin.absentField.startTime"),
    };
  }

  open(): void {
    this.#row = this.#batch.openSpan();
    this.ids.reset();
    this.name = 0;
    this.startMicros = 0;
    this.durationMicros = 0;
    this.#kind = 0;
    this.#endpoint.reset();
    this.#binaryService = 0;
    this.#localComponent = 0;
    this.#earliest = 0;
    this.#latest = 0;
    this.#status.reset();
    this.#text.cuts = 0;
  }

  /** `value` is a string id. One that says nothing takes no row: a byte of Thrift can be one. */
  annotation(micros: number, value: number, endpoint: Endpoint): void {
    if (micros === 0 && value === 0) return;
    if (micros !== 0) {
      this.#earliest = this.#earliest === 0 ? micros : Math.min(this.#earliest, micros);
      this.#latest = Math.max(this.#latest, micros);
    }
    const kind = this.#kinds.get(value);
    if (kind !== undefined) {
      if (this.#kind === 0) this.#kind = kind;
      if (this.#endpoint.service === 0 && endpoint.service !== 0) this.#endpoint.set(endpoint);
      return;
    }
    const batch = this.#batch;
    if (batch.eventCount - batch.eventOffsets[this.#row]! >= MAX_EVENTS) throw tooManyEvents();
    const event = batch.openEvent();
    batch.eventName[event] = value;
    storeMicros(batch.eventTime, event, micros);
    batch.closeEvent();
  }

  /** `key` is a string id, not cut; so is `service`, the name in the annotation's endpoint. */
  binaryAnnotation(key: number, value: BinaryValue, service: number): void {
    if (service !== 0) this.#binaryService = service;
    if (key === 0 && value.type === AttributeType.string && value.lo === 0) return;
    if (key === this.#words.localComponent) {
      if (value.type === AttributeType.string) this.#localComponent = value.lo;
      this.#push(this.#words.component, value);
      return;
    }
    if (!this.#status.take(key, value)) this.#push(this.#text.cut(key), value);
  }

  close(): void {
    const batch = this.#batch;
    const row = this.#row;
    this.ids.store(batch, row);
    batch.name[row] = this.name;
    batch.kind[row] = this.#kind;
    this.#storeTimes();
    this.#status.store(batch, row);
    batch.scope[row] = this.#rows.scope(0, 0);
    this.#truncated.span += this.#text.cuts;
    this.#text.cuts = 0;
    this.#storeResource();
    batch.closeSpan();
  }

  #storeTimes(): void {
    const { startMicros, durationMicros, receivedMicros } = this;
    if (startMicros !== 0) storeTimes(this.#batch, this.#row, startMicros, durationMicros);
    else if (this.#earliest !== 0) {
      storeTimes(this.#batch, this.#row, this.#earliest, this.#latest - this.#earliest);
    } else if (receivedMicros !== 0) {
      storeTimes(this.#batch, this.#row, receivedMicros, 0);
      this.#batch.attributes.push(this.#words.absentStart, AttributeType.bool, 1, 0);
    } else storeTimes(this.#batch, this.#row, 0, durationMicros);
  }

  #storeResource(): void {
    const words = this.#words;
    const batch = this.#batch;
    const { service, ipv4, ipv6, port } = this.#endpoint;
    const pairs = this.#resource;
    const name = service || this.#binaryService || this.#localComponent || words.unknownService;
    pairs.length = 0;
    pairs.push(words.serviceName, this.#text.cut(name));
    if (ipv4 !== 0) pairs.push(words.ipv4, this.#text.cut(ipv4));
    if (ipv6 !== 0) pairs.push(words.ipv6, this.#text.cut(ipv6));
    if (port !== 0) pairs.push(words.port, batch.strings.internText(String(port)));
    const known = batch.resourceCount;
    batch.resource[this.#row] = this.#rows.resource(pairs);
    if (batch.resourceCount > known) this.#truncated.resource += this.#text.cuts;
    this.#text.cuts = 0;
  }

  #push(key: number, value: BinaryValue): void {
    const { attributes, strings } = this.#batch;
    if (attributes.count - attributes.offsets[attributes.ownerCount]! >= MAX_ATTRIBUTES) {
      throw tooManyAttributes();
    }
    const typed = this.#typed;
    if (value.type !== AttributeType.string) {
      attributes.push(key, value.type, value.lo, value.hi);
      return;
    }
    if (this.parsesTags) {
      const bytes = strings.bytes(value.lo);
      if (typed.parse(bytes, 0, bytes.length)) {
        attributes.push(key, typed.type, typed.lo, typed.hi);
        return;
      }
    }
    attributes.push(key, AttributeType.string, this.#text.cut(value.lo), 0);
  }
}

type Word =
  | "localComponent"
  | "component"
  | "unknownService"
  | "serviceName"
  | "ipv4"
  | "ipv6"
  | "port"
  | "absentStart";
