import type { BatchDecoderOptions, TruncatedAttributes } from "../../model/batch-decoder.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { ThriftBinaryReader } from "../../util/thrift-binary.ts";
import { ThriftCompactReader } from "../../util/thrift-compact.ts";
import { ThriftError, type ThriftReader, ThriftType } from "../../util/thrift-reader.ts";
import { U64 } from "../../util/u64.ts";
import { DecoderParts } from "./decoder-parts.ts";
import { TagType } from "./tag-values.ts";

/** `TagType` of the wire, in the order of its numbers. */
const VALUE_TYPES = [TagType.string, TagType.double, TagType.bool, TagType.int, TagType.binary];

/** Required fields as bits, by their ids. */
const REQUIRED = {
  batch: 0b110,
  process: 0b10,
  span: 0b11_1011_1110,
  tag: 0b110,
  log: 0b110,
  reference: 0b1_1110,
} as const;

export type JaegerThriftBody = "batch" | "binary message" | "compact message";

/**
 * Decodes Jaeger's Thrift `Batch`es, bare or as the argument of an agent's `emitBatch`, straight into
 * the columns of one batch of spans: no object, string or bigint per span or tag. Lives as long as
 * its batch.
 *
 * Fields may come in any order; a list that comes twice is joined; unknown fields, and known ones of
 * another type, are skipped.
 */
export class JaegerThriftDecoder {
  readonly #parts: DecoderParts;
  readonly #batch: SpanBatch;
  readonly #binary = new ThriftBinaryReader();
  readonly #compact = new ThriftCompactReader();
  /** The one in use. */
  #reader: ThriftReader = this.#binary;
  readonly #instant = new U64();
  /** Start and end of the process at hand. */
  readonly #processPart: number[] = [];
  /** Its row, -1 until a span needs it. */
  #process = -1;

  constructor(batch: SpanBatch, options: BatchDecoderOptions) {
    this.#batch = batch;
    this.#parts = new DecoderParts(batch, "thrift", options.maxAttributeBytes);
  }

  /** Keys and values cut so far. */
  get truncated(): TruncatedAttributes {
    return this.#parts.truncated;
  }

  /**
   * Appends the spans of `body` and returns their number. Throws what `admit` throws, or a
   * `DecodeError`, after which the batch is as before: `syntax` when `body` is not what `kind` says or
   * lacks a required field, `trace_id` or `span_id` when an id is zero, `limit` when a count is beyond
   * bounds.
   */
  decode(
    body: Uint8Array,
    kind: JaegerThriftBody,
    admit?: (protobufBytes: number) => void,
  ): number {
    const reader = kind === "compact message" ? this.#compact : this.#binary;
    this.#reader = reader;
    reader.reset(body);
    const read = () => (kind === "batch" ? this.#spansOf() : this.#message());
    try {
      return this.#parts.decode(reader.bytes, read, admit);
    } finally {
      reader.reset(EMPTY);
    }
  }

  #message(): void {
    const reader = this.#reader;
    const method = reader.message();
    if (method !== "emitBatch") throw new ThriftError(`method ${method} is not supported`);
    let id = 0;
    let found = false;
    for (let type = reader.field(id); type !== ThriftType.stop; type = reader.field(id)) {
      id = reader.fieldId;
      if (id !== 1 || type !== ThriftType.struct) {
        reader.skip(type);
        continue;
      }
      this.#spansOf();
      found = true;
    }
    if (!found) throw new ThriftError("message without a batch");
  }

  /** A `Batch`. The process nearly always comes first; lists of spans before it are read after it. */
  #spansOf(): void {
    const reader = this.#reader;
    const early: number[] = [];
    this.#processPart.length = 0;
    this.#process = -1;
    let seen = 0;
    let id = 0;
    for (let type = reader.field(id); type !== ThriftType.stop; type = reader.field(id)) {
      id = reader.fieldId;
      if (id === 1 && type === ThriftType.struct) {
        const start = reader.pos;
        reader.skip(type);
        this.#processPart.push(start, reader.pos);
        this.#process = -1;
        seen |= 1 << id;
      } else if (id === 2 && type === ThriftType.list) {
        seen |= 1 << id;
        if (this.#processPart.length === 0) {
          early.push(reader.pos);
          reader.skip(type);
        } else this.#spans();
      } else reader.skip(type);
    }
    need(seen, REQUIRED.batch, "batch");
    const resume = reader.pos;
    for (const at of early) {
      reader.pos = at;
      this.#spans();
    }
    // No span needed its row; it must be a process all the same.
    if (this.#process < 0) this.#checkProcess();
    reader.pos = resume;
  }

  #spans(): void {
    const reader = this.#reader;
    const count = reader.listOf(ThriftType.struct);
    for (let i = 0; i < count; i++) this.#span();
  }

  #span(): void {
    const parts = this.#parts;
    const batch = this.#batch;
    const reader = this.#reader;
    const row = batch.openSpan();
    parts.beginSpan(row);
    let seen = 0;
    let other = 0;
    let startLo = 0;
    let startHi = 0;
    let durationLo = 0;
    let durationHi = 0;
    let id = 0;
    for (let type = reader.field(id); type !== ThriftType.stop; type = reader.field(id)) {
      id = reader.fieldId;
      if (type !== SPAN_FIELDS[id]) {
        reader.skip(type);
        continue;
      }
      seen |= 1 << id;
      switch (id) {
        case 1:
        case 2: {
          const lo = reader.i64();
          // The low half first: it is the higher half that comes first in the id.
          const at = id === 1 ? 8 : 0;
          parts.trace.setUint32(at + 4, lo);
          parts.trace.setUint32(at, reader.hi);
          break;
        }
        case 3:
          batch.spanId[2 * row] = reader.i64();
          batch.spanId[2 * row + 1] = reader.hi;
          break;
        case 4:
          batch.parentSpanId[2 * row] = reader.i64();
          batch.parentSpanId[2 * row + 1] = reader.hi;
          break;
        case 5:
          reader.binary();
          batch.name[row] = batch.strings.intern(reader.bytes, reader.start, reader.end);
          break;
        case 6:
          this.#references();
          break;
        case 7:
          // Says whether the span was sampled, which it was.
          other |= reader.i32();
          break;
        case 8:
          startLo = reader.i64();
          startHi = reader.hi;
          break;
        case 9:
          durationLo = reader.i64();
          durationHi = reader.hi;
          break;
        case 10: {
          const count = reader.listOf(ThriftType.struct);
          for (let i = 0; i < count; i++) {
            this.#tag();
            parts.spanTags.add();
          }
          break;
        }
        default: {
          const count = reader.listOf(ThriftType.struct);
          for (let i = 0; i < count; i++) this.#log(row);
        }
      }
    }
    need(seen, REQUIRED.span, "span");
    other |= startLo | startHi | durationLo | durationHi | batch.name[row]!;
    other |= batch.parentSpanId[2 * row]! | batch.parentSpanId[2 * row + 1]!;
    // A span without anything is not refused but left out.
    if ((seen & OPTIONAL_FIELDS) === 0 && other === 0 && parts.hasNoIds(row)) return;
    const instant = this.#instant;
    instant.set(startLo, startHi).multiply(1000);
    batch.start[2 * row] = instant.lo;
    batch.start[2 * row + 1] = instant.hi;
    instant.set(startLo, startHi).add(durationLo, durationHi).multiply(1000);
    batch.end[2 * row] = instant.lo;
    batch.end[2 * row + 1] = instant.hi;
    parts.truncated.span += parts.tag.takeCuts();
    if (this.#process < 0) this.#process = this.#processRow();
    parts.closeSpan(row, this.#process);
  }

  /** The row of the process that was read last. */
  #processRow(): number {
    const { processes, tag, truncated } = this.#parts;
    const reader = this.#reader;
    const part = this.#processPart.slice(-2);
    const protocol = reader === this.#binary ? 0 : 1;
    const known = processes.find(reader.bytes, part, protocol);
    if (known >= 0) return known;
    const resume = reader.pos;
    reader.pos = part[0]!;
    const [start, end] = this.#readProcess(() => processes.tag());
    reader.pos = resume;
    const row = processes.close(start, end, "thrift");
    truncated.resource += tag.takeCuts();
    return row;
  }

  #checkProcess(): void {
    this.#reader.pos = this.#processPart.at(-2)!;
    this.#readProcess(() => {});
  }

  /** A `Process`; `onTag` is called with each of its tags at hand. Returns the place of its name. */
  #readProcess(onTag: () => void): readonly [number, number] {
    const reader = this.#reader;
    let start = 0;
    let end = 0;
    let seen = 0;
    let id = 0;
    for (let type = reader.field(id); type !== ThriftType.stop; type = reader.field(id)) {
      id = reader.fieldId;
      if (id === 1 && type === ThriftType.binary) {
        reader.binary();
        start = reader.start;
        end = reader.end;
        seen |= 1 << id;
      } else if (id === 2 && type === ThriftType.list) {
        const count = reader.listOf(ThriftType.struct);
        for (let i = 0; i < count; i++) {
          this.#tag();
          onTag();
        }
      } else reader.skip(type);
    }
    need(seen, REQUIRED.process, "process");
    return [start, end];
  }

  #references(): void {
    const { references, referenceTrace } = this.#parts;
    const reader = this.#reader;
    const count = reader.listOf(ThriftType.struct);
    for (let i = 0; i < count; i++) {
      let refType = 0;
      let lo = 0;
      let hi = 0;
      let seen = 0;
      let id = 0;
      for (let type = reader.field(id); type !== ThriftType.stop; type = reader.field(id)) {
        id = reader.fieldId;
        if (type !== REFERENCE_FIELDS[id]) {
          reader.skip(type);
          continue;
        }
        seen |= 1 << id;
        if (id === 1) refType = reader.i32();
        else if (id === 4) {
          lo = reader.i64();
          hi = reader.hi;
        } else {
          const at = id === 2 ? 8 : 0;
          referenceTrace.setUint32(at + 4, reader.i64());
          referenceTrace.setUint32(at, reader.hi);
        }
      }
      need(seen, REQUIRED.reference, "reference");
      references.add(refType, referenceTrace, lo, hi);
    }
  }

  #log(row: number): void {
    const parts = this.#parts;
    const batch = this.#batch;
    const reader = this.#reader;
    const event = parts.openLog(row);
    let seen = 0;
    let id = 0;
    for (let type = reader.field(id); type !== ThriftType.stop; type = reader.field(id)) {
      id = reader.fieldId;
      if (id === 1 && type === ThriftType.i64) {
        const lo = reader.i64();
        const instant = this.#instant.set(lo, reader.hi).multiply(1000);
        batch.eventTime[2 * event] = instant.lo;
        batch.eventTime[2 * event + 1] = instant.hi;
        seen |= 1 << id;
      } else if (id === 2 && type === ThriftType.list) {
        const count = reader.listOf(ThriftType.struct);
        for (let i = 0; i < count; i++) {
          this.#tag();
          parts.logField(event);
        }
        seen |= 1 << id;
      } else reader.skip(type);
    }
    need(seen, REQUIRED.log, "log");
    parts.closeLog();
  }

  /** Reads a `Tag` and makes it the tag at hand. */
  #tag(): void {
    const reader = this.#reader;
    const values = this.#parts.tag;
    let vType = 0;
    let keyStart = 0;
    let keyEnd = 0;
    let stringStart = 0;
    let stringEnd = 0;
    let doubleLo = 0;
    let doubleHi = 0;
    let bool = 0;
    let longLo = 0;
    let longHi = 0;
    let binaryStart = 0;
    let binaryEnd = 0;
    let seen = 0;
    let id = 0;
    for (let type = reader.field(id); type !== ThriftType.stop; type = reader.field(id)) {
      id = reader.fieldId;
      if (type !== TAG_FIELDS[id]) {
        reader.skip(type);
        continue;
      }
      seen |= 1 << id;
      switch (id) {
        case 1:
          reader.binary();
          keyStart = reader.start;
          keyEnd = reader.end;
          break;
        case 2:
          vType = reader.i32();
          break;
        case 3:
          reader.binary();
          stringStart = reader.start;
          stringEnd = reader.end;
          break;
        case 4:
          doubleLo = reader.double();
          doubleHi = reader.hi;
          break;
        case 5:
          bool = reader.bool() ? 1 : 0;
          break;
        case 6:
          longLo = reader.i64();
          longHi = reader.hi;
          break;
        default:
          reader.binary();
          binaryStart = reader.start;
          binaryEnd = reader.end;
      }
    }
    need(seen, REQUIRED.tag, "tag");
    values.keyStart = keyStart;
    values.keyEnd = keyEnd;
    values.type = VALUE_TYPES[vType] ?? TagType.unknown;
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
        values.lo = longLo;
        values.hi = longHi;
        return;
      case TagType.double:
        values.lo = doubleLo;
        values.hi = doubleHi;
        return;
      case TagType.binary:
        values.lo = binaryStart;
        values.hi = binaryEnd;
        return;
      default:
        values.lo = vType;
    }
  }
}

// Types by field ids; a field whose type is another one is skipped.
const { i32, i64, binary, list, double, bool } = ThriftType;
const NONE = -1;
const SPAN_FIELDS: readonly number[] = [
  ...[NONE, i64, i64, i64, i64, binary],
  ...[list, i32, i64, i64, list, list],
];
/** References, tags and logs. */
const OPTIONAL_FIELDS = 0b1100_0100_0000;
const REFERENCE_FIELDS: readonly number[] = [NONE, i32, i64, i64, i64];
const TAG_FIELDS: readonly number[] = [NONE, binary, i32, binary, double, bool, i64, binary];

function need(seen: number, required: number, what: string): void {
  const missing = required & ~seen;
  if (missing === 0) return;
  throw new ThriftError(`${what} without its field ${31 - Math.clz32(missing & -missing)}`);
}

const EMPTY = new Uint8Array(0);
