import { AttributeType } from "../../model/attribute-columns.ts";
import type { TruncatedAttributes } from "../../model/batch-decoder.ts";
import { DecodeError } from "../../model/decode-error.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { type AttributeText, TypedValue } from "./attribute-text.ts";
import { Endpoint } from "./endpoint.ts";
import { MAX_ATTRIBUTES, MAX_EVENTS, tooManyAttributes, tooManyEvents } from "./limits.ts";
import { storeMicros, storeTimes } from "./micros.ts";
import { PackedValue } from "./packed-value.ts";
import type { ResourceRows } from "./resource-rows.ts";
import { hexToBytes, SpanIds } from "./span-ids.ts";
import { MAX_LINK_TAGS, TagClass, tagClassOf } from "./special-tags.ts";
import { StatusCode, statusCodesById } from "./status.ts";

/** OTLP's number of a span kind. */
const KIND_INTERNAL = 1;

/** `otlp.link.N`: trace id, span id, trace state, attributes, number dropped. */
const LINK_FIELDS = 5;
/** Name, attributes, number dropped. */
const EVENT_FIELDS = 3;

/**
 * The v2 span at hand on its way into the batch, whichever wire format it comes in: `open`, then its
 * parts in any order, then `close`.
 */
export class V2Span {
  readonly ids = new SpanIds();
  readonly local = new Endpoint();
  readonly remote = new Endpoint();
  /** OTLP's number; 0 when there is none. */
  kind = 0;
  name = 0;
  startMicros = 0;
  durationMicros = 0;
  /** Whether a span without a start says so in an attribute. */
  marksAbsentStart = false;
  /** Whether tags that look like numbers or booleans become such. */
  parsesTags = false;
  #row = 0;
  #event = 0;
  #tagClass: number = TagClass.attribute;
  #tagKey = 0;
  readonly #batch: SpanBatch;
  readonly #text: AttributeText;
  readonly #rows: ResourceRows;
  readonly #truncated: TruncatedAttributes;
  readonly #packed: PackedValue;
  readonly #typed = new TypedValue();
  readonly #spanId = new Uint8Array(8);
  readonly #spanIdView = new DataView(this.#spanId.buffer);
  /** Tags of the resource, and the whole resource, as pairs of string ids. */
  readonly #resourceTags: number[] = [];
  readonly #resource: number[] = [];
  #resourceCuts = 0;
  /** Values + 1, by class, of tags that depend on the rest of the span, and the classes in use. */
  readonly #held = new Uint32Array(TagClass.link + MAX_LINK_TAGS);
  readonly #heldClasses: number[] = [];
  readonly #statusCodes: ReadonlyMap<number, number>;
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
    this.#packed = new PackedValue(text);
    this.#statusCodes = statusCodesById(batch.strings);
    const id = (word: string) => batch.strings.internText(word);
    this.#words = {
      true: id("true"),
      internal: id("internal"),
      serviceName: id("service.name"),
      error: id("error"),
      spanKind: id("span.kind"),
      hostIp: id("net.host.ip"),
      hostPort: id("net.host.port"),
      peerIp: id("net.peer.ip"),
      peerPort: id("net.peer.port"),
      peerService: id("peer.service"),
      absentStart: id("otel.zipkin.absentField.startTime"),
    };
  }

  open(): void {
    this.#row = this.#batch.openSpan();
    this.ids.reset();
    this.local.reset();
    this.remote.reset();
    this.kind = 0;
    this.name = 0;
    this.startMicros = 0;
    this.durationMicros = 0;
    this.#resourceTags.length = 0;
    this.#resourceCuts = 0;
    this.#text.cuts = 0;
    for (const tagClass of this.#heldClasses) this.#held[tagClass] = 0;
    this.#heldClasses.length = 0;
  }

  /** Takes a tag's key; `endTag` takes its value. */
  beginTag(bytes: Uint8Array, start: number, end: number): void {
    this.#tagClass = tagClassOf(bytes, start, end);
    if (this.#tagClass <= TagClass.resource) this.#tagKey = this.#text.intern(bytes, start, end);
  }

  endTag(bytes: Uint8Array, start: number, end: number): void {
    switch (this.#tagClass) {
      case TagClass.attribute:
        this.#pushText(this.#tagKey, bytes, start, end);
        return;
      case TagClass.resource: {
        if (this.#resourceTags.length >= 2 * MAX_ATTRIBUTES) throw tooManyAttributes();
        const before = this.#text.cuts;
        this.#resourceTags.push(this.#tagKey, this.#text.intern(bytes, start, end));
        this.#resourceCuts += this.#text.cuts - before;
        this.#text.cuts = before;
        return;
      }
      default:
        if (this.#held[this.#tagClass] === 0) this.#heldClasses.push(this.#tagClass);
        this.#held[this.#tagClass] = this.#batch.strings.intern(bytes, start, end) + 1;
    }
  }

  beginAnnotation(): void {
    const batch = this.#batch;
    if (batch.eventCount - batch.eventOffsets[this.#row]! >= MAX_EVENTS) throw tooManyEvents();
    this.#event = batch.openEvent();
    this.#truncated.span += this.#text.cuts;
    this.#text.cuts = 0;
  }

  annotationValue(bytes: Uint8Array, start: number, end: number): void {
    const batch = this.#batch;
    const packed = this.#packed;
    if (packed.split(bytes, start, end, EVENT_FIELDS)) {
      batch.eventName[this.#event] = batch.strings.intern(bytes, start, packed.starts[1]! - 1);
      packed.attributes(bytes, 1, batch.eventAttributes);
      batch.eventDropped[this.#event] = packed.count(bytes, 2);
      return;
    }
    const bar = packed.starts[1];
    batch.eventName[this.#event] = batch.strings.intern(bytes, start, bar ? bar - 1 : end);
  }

  endAnnotation(micros: number): void {
    storeMicros(this.#batch.eventTime, this.#event, micros);
    this.#batch.closeEvent();
    this.#truncated.event += this.#text.cuts;
    this.#text.cuts = 0;
  }

  close(): void {
    const batch = this.#batch;
    const row = this.#row;
    this.ids.store(batch, row);
    batch.name[row] = this.name;
    storeTimes(batch, row, this.startMicros, this.durationMicros);
    if (this.startMicros === 0 && this.marksAbsentStart) {
      this.#push(this.#words.absentStart, AttributeType.bool, 1);
    }
    batch.traceState[row] = Math.max(0, this.#take(TagClass.traceState));
    this.#storeKind();
    this.#storeStatus();
    this.#pushEndpoints();
    this.#storeLinks();
    batch.scope[row] = this.#rows.scope(
      Math.max(0, this.#take(TagClass.libraryName)),
      Math.max(0, this.#take(TagClass.libraryVersion)),
    );
    this.#truncated.span += this.#text.cuts;
    this.#text.cuts = 0;
    this.#storeResource();
    batch.closeSpan();
  }

  #storeKind(): void {
    const { spanKind, internal } = this.#words;
    const tag = this.#take(TagClass.spanKind);
    let kind = this.kind;
    if (tag >= 0) {
      if (kind !== 0) this.#pushString(spanKind, tag);
      else if (tag === internal) kind = KIND_INTERNAL;
    }
    this.#batch.kind[this.#row] = kind;
  }

  #storeStatus(): void {
    const batch = this.#batch;
    let status = this.#statusCodes.get(this.#take(TagClass.statusCode)) ?? StatusCode.unset;
    batch.statusMessage[this.#row] = Math.max(0, this.#take(TagClass.statusDescription));
    const error = this.#take(TagClass.error);
    if (error >= 0) {
      // Whatever it says, "false" too.
      status = StatusCode.error;
      if (error !== this.#words.true) this.#pushString(this.#words.error, error);
    }
    batch.status[this.#row] = status;
  }

  #pushEndpoints(): void {
    const { local, remote } = this;
    const words = this.#words;
    this.#pushOf(TagClass.hostIp, words.hostIp, AttributeType.string, local.ip);
    this.#pushOf(TagClass.hostPort, words.hostPort, AttributeType.int, local.port);
    this.#pushOf(TagClass.peerService, words.peerService, AttributeType.string, remote.service);
    this.#pushOf(TagClass.peerIp, words.peerIp, AttributeType.string, remote.ip);
    this.#pushOf(TagClass.peerPort, words.peerPort, AttributeType.int, remote.port);
  }

  /** What an endpoint says, or else what the tag of the same name does. */
  #pushOf(tagClass: number, key: number, type: AttributeType, value: number): void {
    const tag = this.#take(tagClass);
    if (value !== 0) {
      this.#push(key, type, type === AttributeType.string ? this.#text.cut(value) : value);
    } else if (tag >= 0) this.#pushString(key, tag);
  }

  #storeLinks(): void {
    for (let i = 0; i < MAX_LINK_TAGS; i++) {
      const value = this.#take(TagClass.link + i);
      if (value < 0) break;
      this.#link(this.#batch.strings.bytes(value).slice());
    }
    // Those after a gap are tags like any other.
    for (const tagClass of this.#heldClasses) {
      const value = tagClass < TagClass.link ? -1 : this.#take(tagClass);
      if (value < 0) continue;
      const key = this.#batch.strings.internText(`otlp.link.${tagClass - TagClass.link}`);
      this.#pushString(this.#text.cut(key), value);
    }
  }

  #link(value: Uint8Array): void {
    const batch = this.#batch;
    const packed = this.#packed;
    if (!packed.split(value, 0, value.length, LINK_FIELDS)) return;
    const [traceId, spanId, state, attributes] = packed.starts as [number, number, number, number];
    this.#truncated.span += this.#text.cuts;
    this.#text.cuts = 0;
    const row = batch.openLink();
    if (
      !hexToBytes(value, traceId, spanId - 1, batch.linkTraceId, 16 * row, 16) ||
      !hexToBytes(value, spanId, state - 1, this.#spanId, 0, 8)
    ) {
      throw new DecodeError("syntax", "a link has ids that are not 32 and 16 hex digits");
    }
    batch.linkSpanId[2 * row] = this.#spanIdView.getUint32(4);
    batch.linkSpanId[2 * row + 1] = this.#spanIdView.getUint32(0);
    batch.linkTraceState[row] = batch.strings.intern(value, state, attributes - 1);
    packed.attributes(value, 3, batch.linkAttributes);
    batch.linkDropped[row] = packed.count(value, 4);
    batch.closeLink();
    this.#truncated.link += this.#text.cuts;
    this.#text.cuts = 0;
  }

  #storeResource(): void {
    const { serviceName } = this.#words;
    const batch = this.#batch;
    const pairs = this.#resource;
    const tags = this.#resourceTags;
    pairs.length = 0;
    const source = this.#take(TagClass.serviceNameSource);
    if (this.local.service !== 0) {
      const key = source > 0 ? this.#text.cut(source) : serviceName;
      let tagged = false;
      for (let i = 0; i < tags.length; i += 2) if (tags[i] === key) tagged = true;
      if (!tagged) pairs.push(key, this.#text.cut(this.local.service));
    }
    for (const id of tags) pairs.push(id);
    const known = batch.resourceCount;
    batch.resource[this.#row] = this.#rows.resource(pairs);
    if (batch.resourceCount > known)
      this.#truncated.resource += this.#resourceCuts + this.#text.cuts;
    this.#text.cuts = 0;
  }

  /** The value of a tag that waited, -1 when there is none; it waits no more. */
  #take(tagClass: number): number {
    const value = this.#held[tagClass]! - 1;
    this.#held[tagClass] = 0;
    return value;
  }

  /** Pushes the string `value`, uncut so far, as a tag's. */
  #pushString(key: number, value: number): void {
    if (this.parsesTags) {
      const bytes = this.#batch.strings.bytes(value);
      if (this.#typed.parse(bytes, 0, bytes.length)) {
        this.#pushTyped(key);
        return;
      }
    }
    this.#push(key, AttributeType.string, this.#text.cut(value));
  }

  #pushText(key: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.parsesTags && this.#typed.parse(bytes, start, end)) {
      this.#pushTyped(key);
      return;
    }
    this.#push(key, AttributeType.string, this.#text.intern(bytes, start, end));
  }

  #pushTyped(key: number): void {
    this.#checkCount();
    this.#batch.attributes.push(key, this.#typed.type, this.#typed.lo, this.#typed.hi);
  }

  #push(key: number, type: AttributeType, lo: number): void {
    this.#checkCount();
    this.#batch.attributes.push(key, type, lo, 0);
  }

  #checkCount(): void {
    const { attributes } = this.#batch;
    if (attributes.count - attributes.offsets[attributes.ownerCount]! >= MAX_ATTRIBUTES) {
      throw tooManyAttributes();
    }
  }
}

type Word =
  | "true"
  | "internal"
  | "serviceName"
  | "error"
  | "spanKind"
  | "hostIp"
  | "hostPort"
  | "peerIp"
  | "peerPort"
  | "peerService"
  | "absentStart";
