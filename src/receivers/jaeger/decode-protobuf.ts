import type { BatchDecoderOptions, TruncatedAttributes } from "../../model/batch-decoder.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { U64 } from "../../util/u64.ts";
import { WireError, WireReader } from "../../util/wire-reader.ts";
import { clear, DecoderParts } from "./decoder-parts.ts";
import { TagType } from "./tag-values.ts";

const NANOS_PER_SECOND = 1_000_000_000;
/** `ValueType` of the wire, in the order of its numbers. */
const VALUE_TYPES = [TagType.string, TagType.bool, TagType.int, TagType.double, TagType.binary];

/**
 * Decodes `PostSpansRequest`s of Jaeger's api_v2 from the protobuf wire straight into the columns of
 * one batch: no object, string or bigint per span or tag. Lives as long as its batch.
 *
 * Fields may come in any order and singular messages repeatedly (they merge); unknown fields are
 * skipped; a known field with another wire type is an error.
 */
export class JaegerProtobufDecoder {
  readonly #parts: DecoderParts;
  readonly #batch: SpanBatch;
  readonly #reader = new WireReader();
  readonly #instant = new U64();
  // Parts of messages, as start, end, start, end …
  readonly #batchParts: number[] = [];
  readonly #processParts: number[] = [];
  readonly #spanProcessParts: number[] = [];
  /** Row of the request's process, -1 until a span needs it. */
  #process = -1;

  constructor(batch: SpanBatch, options: BatchDecoderOptions) {
    this.#batch = batch;
    this.#parts = new DecoderParts(batch, "protobuf", options.maxAttributeBytes);
  }

  /** Keys and values cut so far. */
  get truncated(): TruncatedAttributes {
    return this.#parts.truncated;
  }

  /**
   * Appends the spans of a `PostSpansRequest` and returns their number. Throws what `admit` throws, or
   * a `DecodeError`, after which the batch is as before: `syntax` when `body` is not such a message,
   * `trace_id` or `span_id` when an id is missing or zero, `limit` when a count is beyond bounds.
   */
  decode(body: Uint8Array, admit?: (protobufBytes: number) => void): number {
    this.#reader.reset(body);
    try {
      return this.#parts.decode(this.#reader.bytes, () => this.#request(body.length), admit);
    } finally {
      this.#reader.reset(EMPTY);
    }
  }

  /**
   * Appends the one `Span` that is `body`, with its own process, and returns 1, or 0 when it has
   * nothing in it. Throws as `decode` does.
   */
  decodeSpan(body: Uint8Array, admit?: (protobufBytes: number) => void): number {
    this.#reader.reset(body);
    this.#processParts.length = 0;
    this.#process = -1;
    try {
      return this.#parts.decode(this.#reader.bytes, () => this.#span(body.length), admit);
    } finally {
      this.#reader.reset(EMPTY);
    }
  }

  /** Two passes, since the process may come after the spans. */
  #request(end: number): void {
    const reader = this.#reader;
    const batches = this.#batchParts;
    batches.length = 0;
    this.#processParts.length = 0;
    this.#process = -1;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag !== 0x0a) {
        reader.skip(tag, 0b10, end);
        continue;
      }
      const batchEnd = reader.sub(end);
      batches.push(reader.pos, batchEnd);
      this.#findProcess(batchEnd);
    }
    for (let i = 0; i < batches.length; i += 2) {
      reader.pos = batches[i]!;
      const batchEnd = batches[i + 1]!;
      while (reader.pos < batchEnd) {
        const tag = reader.tag(batchEnd);
        if (tag === 0x0a) this.#span(reader.sub(batchEnd));
        else reader.skip(tag, 0, batchEnd);
      }
    }
  }

  #findProcess(end: number): void {
    const reader = this.#reader;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) reader.pos = reader.sub(end);
      else if (tag === 0x12) this.#part(this.#processParts, end);
      else reader.skip(tag, 0b110, end);
    }
  }

  #span(end: number): void {
    const parts = this.#parts;
    const batch = this.#batch;
    const reader = this.#reader;
    const row = batch.openSpan();
    const process = this.#spanProcessParts;
    process.length = 0;
    parts.beginSpan(row);
    let blank = true;
    let durationLo = 0;
    let durationHi = 0;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x42) {
        this.#tag(reader.sub(end));
        parts.spanTags.add();
        blank = false;
        continue;
      }
      switch (tag) {
        case 0x0a:
          this.#traceId(parts.trace, end);
          break;
        case 0x12: {
          const at = this.#spanId(end);
          batch.spanId[2 * row] = reader.view.getUint32(at + 4);
          batch.spanId[2 * row + 1] = reader.view.getUint32(at);
          break;
        }
        case 0x1a:
          batch.name[row] = this.#string(end);
          break;
        case 0x22:
          this.#reference(reader.sub(end));
          break;
        case 0x28:
          // Says whether the span was sampled, which it was.
          if ((reader.varint(end) | reader.hi) !== 0) blank = false;
          break;
        case 0x32:
          this.#time(reader.sub(end), 0);
          batch.start[2 * row] = this.#instant.lo;
          batch.start[2 * row + 1] = this.#instant.hi;
          blank = false;
          break;
        case 0x3a:
          this.#time(reader.sub(end), -NANOS_PER_SECOND + 1);
          durationLo = this.#instant.lo;
          durationHi = this.#instant.hi;
          break;
        case 0x4a:
          this.#log(row, reader.sub(end));
          blank = false;
          break;
        case 0x52:
          this.#part(process, end);
          blank = false;
          break;
        case 0x5a:
        case 0x62: {
          const textEnd = reader.sub(end);
          if (tag === 0x62 || textEnd > reader.pos) blank = false;
          reader.pos = textEnd;
          break;
        }
        default:
          reader.skip(tag, 0b1_1111_1111_1110, end);
      }
    }
    // A span without anything is not refused but left out, as Jaeger's own senders may have it.
    if (
      blank &&
      parts.hasNoIds(row) &&
      batch.name[row] === 0 &&
      parts.references.count === 0 &&
      (durationLo | durationHi) === 0
    ) {
      return;
    }
    this.#instant.set(batch.start[2 * row]!, batch.start[2 * row + 1]!).add(durationLo, durationHi);
    batch.end[2 * row] = this.#instant.lo;
    batch.end[2 * row + 1] = this.#instant.hi;
    parts.truncated.span += parts.tag.takeCuts();
    parts.closeSpan(row, this.#resourceOf(process));
  }

  /** The row of the span's own process when it has one, else of the request's. */
  #resourceOf(own: readonly number[]): number {
    if (own.length > 0) return this.#processRow(own);
    if (this.#process < 0) this.#process = this.#processRow(this.#processParts);
    return this.#process;
  }

  #processRow(messageParts: readonly number[]): number {
    const { processes, tag: tagValues, truncated } = this.#parts;
    const reader = this.#reader;
    const known = processes.find(reader.bytes, messageParts, 0);
    if (known >= 0) return known;
    const resume = reader.pos;
    let serviceStart = 0;
    let serviceEnd = 0;
    for (let i = 0; i < messageParts.length; i += 2) {
      reader.pos = messageParts[i]!;
      const end = messageParts[i + 1]!;
      while (reader.pos < end) {
        const tag = reader.tag(end);
        if (tag === 0x0a) {
          serviceEnd = reader.sub(end);
          serviceStart = reader.pos;
          reader.pos = serviceEnd;
        } else if (tag === 0x12) {
          this.#tag(reader.sub(end));
          processes.tag();
        } else reader.skip(tag, 0b110, end);
      }
    }
    reader.pos = resume;
    const row = processes.close(serviceStart, serviceEnd, "protobuf");
    truncated.resource += tagValues.takeCuts();
    return row;
  }

  #reference(end: number): void {
    const reader = this.#reader;
    const { references, referenceTrace } = this.#parts;
    clear(referenceTrace);
    let lo = 0;
    let hi = 0;
    let type = 0;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) this.#traceId(referenceTrace, end);
      else if (tag === 0x12) {
        const at = this.#spanId(end);
        lo = reader.view.getUint32(at + 4);
        hi = reader.view.getUint32(at);
      } else if (tag === 0x18) type = reader.varint(end);
      else reader.skip(tag, 0b1110, end);
    }
    references.add(type, referenceTrace, lo, hi);
  }

  #log(row: number, end: number): void {
    const parts = this.#parts;
    const batch = this.#batch;
    const reader = this.#reader;
    const event = parts.openLog(row);
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) {
        this.#time(reader.sub(end), 0);
        batch.eventTime[2 * event] = this.#instant.lo;
        batch.eventTime[2 * event + 1] = this.#instant.hi;
      } else if (tag === 0x12) {
        this.#tag(reader.sub(end));
        parts.logField(event);
      } else reader.skip(tag, 0b110, end);
    }
    parts.closeLog();
  }

  /** Makes the KeyValue that ends at `end` the tag at hand. */
  #tag(end: number): void {
    const reader = this.#reader;
    const values = this.#parts.tag;
    let keyStart = 0;
    let keyEnd = 0;
    let type = 0;
    let stringStart = 0;
    let stringEnd = 0;
    let bool = 0;
    let intLo = 0;
    let intHi = 0;
    let doubleAt = -1;
    let binaryStart = 0;
    let binaryEnd = 0;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          keyEnd = reader.sub(end);
          keyStart = reader.pos;
          reader.pos = keyEnd;
          break;
        case 0x10:
          type = reader.varint(end);
          break;
        case 0x1a:
          stringEnd = reader.sub(end);
          stringStart = reader.pos;
          reader.pos = stringEnd;
          break;
        case 0x20:
          bool = (reader.varint(end) | reader.hi) === 0 ? 0 : 1;
          break;
        case 0x28:
          intLo = reader.varint(end);
          intHi = reader.hi;
          break;
        case 0x31:
          doubleAt = reader.fixed64(end);
          break;
        case 0x3a:
          binaryEnd = reader.sub(end);
          binaryStart = reader.pos;
          reader.pos = binaryEnd;
          break;
        default:
          reader.skip(tag, 0b1111_1110, end);
      }
    }
    values.keyStart = keyStart;
    values.keyEnd = keyEnd;
    values.type = VALUE_TYPES[type] ?? TagType.unknown;
    switch (values.type) {
      case TagType.string:
        values.lo = stringStart;
        values.hi = stringEnd;
        return;
      case TagType.bool:
        values.lo = bool;
        values.hi = 0;
        return;
      case TagType.int:
        values.lo = intLo;
        values.hi = intHi;
        return;
      case TagType.double:
        values.lo = doubleAt < 0 ? 0 : reader.view.getInt32(doubleAt, true);
        values.hi = doubleAt < 0 ? 0 : reader.view.getInt32(doubleAt + 4, true);
        return;
      case TagType.binary:
        values.lo = binaryStart;
        values.hi = binaryEnd;
        return;
      default:
        values.lo = type;
    }
  }

  /** Nanoseconds of a Timestamp or a Duration, whose own nanos are at least `minNanos`. */
  #time(end: number, minNanos: number): void {
    const reader = this.#reader;
    const instant = this.#instant;
    let lo = 0;
    let hi = 0;
    let nanos = 0;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x08) {
        lo = reader.varint(end);
        hi = reader.hi;
      } else if (tag === 0x10) nanos = reader.varint(end);
      else reader.skip(tag, 0b110, end);
    }
    if (nanos < minNanos || nanos >= NANOS_PER_SECOND) {
      throw new WireError(`${nanos} nanoseconds in a time at byte ${end}`);
    }
    // In two steps, each of them exact.
    instant.set(lo, hi).multiply(31_250).multiply(32_000);
    instant.add(nanos, nanos < 0 ? -1 : 0);
  }

  /** A trace id of 16 bytes, or of 8, which are the low ones. */
  #traceId(into: DataView, end: number): void {
    const reader = this.#reader;
    const idEnd = reader.sub(end);
    const at = reader.pos;
    const length = idEnd - at;
    if (length !== 16 && length !== 8) {
      throw new WireError(`trace id of ${length} bytes at byte ${at}`);
    }
    const { view } = reader;
    into.setInt32(0, length === 16 ? view.getInt32(at) : 0);
    into.setInt32(4, length === 16 ? view.getInt32(at + 4) : 0);
    into.setInt32(8, view.getInt32(idEnd - 8));
    into.setInt32(12, view.getInt32(idEnd - 4));
    reader.pos = idEnd;
  }

  /** Where the 8 bytes of a span id begin. */
  #spanId(end: number): number {
    const reader = this.#reader;
    const idEnd = reader.sub(end);
    const at = reader.pos;
    if (idEnd - at !== 8) throw new WireError(`span id of ${idEnd - at} bytes at byte ${at}`);
    reader.pos = idEnd;
    return at;
  }

  #string(end: number): number {
    const reader = this.#reader;
    const stringEnd = reader.sub(end);
    const start = reader.pos;
    reader.pos = stringEnd;
    return this.#batch.strings.intern(reader.bytes, start, stringEnd);
  }

  /** Steps over a message and remembers where it is. */
  #part(into: number[], end: number): void {
    const reader = this.#reader;
    const partEnd = reader.sub(end);
    into.push(reader.pos, partEnd);
    reader.pos = partEnd;
  }
}

const EMPTY = new Uint8Array(0);
