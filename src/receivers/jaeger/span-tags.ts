import type { SpanBatch } from "../../model/span-batch.ts";
import { TagType, type TagValues } from "./tag-values.ts";

const Kind = { server: 2, client: 3, producer: 4, consumer: 5, internal: 1 } as const;
const STATUS_OK = 1;
const STATUS_ERROR = 2;

/** Tags that say something beside being an attribute, by their place in the tables below. */
const Tag = {
  error: 1,
  kind: 2,
  statusCode: 3,
  statusDescription: 4,
  httpStatusCode: 5,
  httpStatusMessage: 6,
  traceState: 7,
  scopeName: 8,
  scopeVersion: 9,
} as const;
type Tag = (typeof Tag)[keyof typeof Tag];

const COMMON_KEYS: Readonly<Record<string, Tag>> = {
  error: Tag.error,
  "span.kind": Tag.kind,
  "otel.status_code": Tag.statusCode,
  "otel.status_description": Tag.statusDescription,
  "http.status_code": Tag.httpStatusCode,
  "http.status_message": Tag.httpStatusMessage,
};
/** These mean something in protobuf only; in Thrift they are attributes. */
const PROTOBUF_KEYS: Readonly<Record<string, Tag>> = {
  "w3c.tracestate": Tag.traceState,
  "otel.scope.name": Tag.scopeName,
  "otel.scope.version": Tag.scopeVersion,
};
/** No key above is longer. */
const LONGEST_KEY_BYTES = 32;
/** More than any HTTP status has. */
const MAX_STATUS_DIGITS = 18;

/**
 * The tags of one span after the other: most become attributes at once; those that decide on kind,
 * status, trace state and scope are kept until `finish`, since they depend on each other. Of a tag
 * that comes several times the last one counts.
 */
export class SpanTags {
  /** String ids of the scope that the span's tags name; 0 = not named. */
  scopeName = 0;
  scopeVersion = 0;
  readonly #batch: SpanBatch;
  readonly #tag: TagValues;
  /** What a key stands for, by its string id; longer ids stand for nothing. */
  readonly #tagOf: Uint8Array;
  /** Kinds and status words, by their string ids. */
  readonly #kindOf = new Map<number, number>();
  readonly #ok: number;
  readonly #error: number;
  /** Bit n is set when tag n was seen. */
  #seen = 0;
  // The tags seen, by their number.
  readonly #keys = new Uint32Array(10);
  readonly #keyStarts = new Uint32Array(10);
  readonly #keyEnds = new Uint32Array(10);
  readonly #types = new Uint8Array(10);
  readonly #los = new Uint32Array(10);
  readonly #his = new Uint32Array(10);

  constructor(batch: SpanBatch, tag: TagValues, protocol: "protobuf" | "thrift") {
    this.#batch = batch;
    this.#tag = tag;
    const { strings } = batch;
    const keys = protocol === "protobuf" ? { ...COMMON_KEYS, ...PROTOBUF_KEYS } : COMMON_KEYS;
    const ids = Object.entries(keys).map(([key, of]) => [strings.internText(key), of] as const);
    this.#tagOf = new Uint8Array(Math.max(...ids.map(([id]) => id)) + 1);
    for (const [id, of] of ids) this.#tagOf[id] = of;
    for (const [word, kind] of Object.entries(Kind)) {
      this.#kindOf.set(strings.internText(word), kind);
    }
    this.#ok = strings.internText("OK");
    this.#error = strings.internText("ERROR");
  }

  /** Before the first tag of a span. */
  begin(): void {
    this.#seen = 0;
    this.scopeName = 0;
    this.scopeVersion = 0;
  }

  /** Takes the tag at hand. */
  add(): void {
    const tag = this.#tag;
    const key = tag.wholeKey(LONGEST_KEY_BYTES);
    const which = key >= 0 && key < this.#tagOf.length ? this.#tagOf[key]! : 0;
    if (which === 0) {
      tag.push(this.#batch.attributes, key);
      return;
    }
    this.#seen |= 1 << which;
    this.#keys[which] = key;
    this.#keyStarts[which] = tag.keyStart;
    this.#keyEnds[which] = tag.keyEnd;
    this.#types[which] = tag.type;
    this.#los[which] = tag.lo;
    this.#his[which] = tag.hi;
  }

  /** After the last tag of the span in `row`: fills its columns and pushes what stays an attribute. */
  finish(row: number): void {
    if (this.#seen === 0) return;
    const batch = this.#batch;
    if (this.#take(Tag.kind)) batch.kind[row] = this.#kindOf.get(this.#text(Tag.kind)) ?? 0;
    if (this.#take(Tag.traceState)) batch.traceState[row] = this.#text(Tag.traceState);
    if (this.#take(Tag.scopeName)) {
      this.scopeName = this.#text(Tag.scopeName);
      if (this.#take(Tag.scopeVersion)) this.scopeVersion = this.#text(Tag.scopeVersion);
    }
    this.#status(row);
    for (let which = 1; this.#seen >>> which !== 0; which++) {
      if (!this.#has(which as Tag)) continue;
      this.#load(which as Tag);
      this.#tag.push(batch.attributes, this.#keys[which]!);
    }
  }

  #status(row: number): void {
    const batch = this.#batch;
    const failed = this.#has(Tag.error) && this.#isTrue(Tag.error);
    const hasCode = this.#take(Tag.statusCode);
    if (failed) {
      this.#take(Tag.error);
      batch.status[row] = STATUS_ERROR;
      if (this.#take(Tag.statusDescription)) {
        batch.statusMessage[row] = this.#text(Tag.statusDescription);
      } else if (this.#has(Tag.httpStatusMessage)) {
        batch.statusMessage[row] = this.#text(Tag.httpStatusMessage);
      }
    } else if (hasCode) {
      batch.status[row] = this.#statusOf(this.#text(Tag.statusCode));
      if (this.#take(Tag.statusDescription)) {
        batch.statusMessage[row] = this.#text(Tag.statusDescription);
      }
    } else if (this.#has(Tag.httpStatusCode) && this.#isHttpError(batch.kind[row]!)) {
      batch.status[row] = STATUS_ERROR;
      if (this.#has(Tag.httpStatusMessage)) {
        batch.statusMessage[row] = this.#text(Tag.httpStatusMessage);
      }
    }
  }

  /** Of `otel.status_code`, in any case. */
  #statusOf(word: number): number {
    if (word === this.#ok) return STATUS_OK;
    if (word === this.#error) return STATUS_ERROR;
    const { strings } = this.#batch;
    const length = strings.offsets[word + 1]! - strings.offsets[word]!;
    if (length > LONGEST_KEY_BYTES) return 0;
    const text = strings.text(word).toUpperCase();
    return text === "OK" ? STATUS_OK : text === "ERROR" ? STATUS_ERROR : 0;
  }

  /** What Tempo makes of `http.status_code`, 399 and numbers below 100 included. */
  #isHttpError(kind: number): boolean {
    const code = this.#httpStatusCode();
    if (Number.isNaN(code)) return false;
    if (code >= 400 && code <= 499) return kind !== Kind.server;
    return code < 100 || code > 398;
  }

  /** NaN when the tag is neither an int nor a string of decimal digits. */
  #httpStatusCode(): number {
    const lo = this.#los[Tag.httpStatusCode]!;
    const hi = this.#his[Tag.httpStatusCode]!;
    const type = this.#types[Tag.httpStatusCode]!;
    if (type === TagType.int) return (hi | 0) * 0x1_0000_0000 + lo;
    if (type !== TagType.string || hi - lo > MAX_STATUS_DIGITS) return Number.NaN;
    let text = "";
    for (let i = lo; i < hi; i++) text += String.fromCharCode(this.#tag.bytes[i]!);
    return /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  }

  #isTrue(which: Tag): boolean {
    return this.#types[which] === TagType.bool && this.#los[which] === 1;
  }

  #has(which: Tag): boolean {
    return ((this.#seen >>> which) & 1) !== 0;
  }

  /** Whether the tag was seen; it is no attribute then. */
  #take(which: Tag): boolean {
    if (!this.#has(which)) return false;
    this.#seen &= ~(1 << which);
    return true;
  }

  #text(which: Tag): number {
    this.#load(which);
    return this.#tag.text();
  }

  /** Makes the tag the one at hand again. */
  #load(which: Tag): void {
    const tag = this.#tag;
    tag.keyStart = this.#keyStarts[which]!;
    tag.keyEnd = this.#keyEnds[which]!;
    tag.type = this.#types[which]! as TagType;
    tag.lo = this.#los[which]!;
    tag.hi = this.#his[which]!;
  }
}
