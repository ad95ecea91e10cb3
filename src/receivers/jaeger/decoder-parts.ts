import type { TruncatedAttributes } from "../../model/batch-decoder.ts";
import { DecodeError } from "../../model/decode-error.ts";
import { otlpProtobufSize } from "../../model/protobuf-size.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { ThriftError } from "../../util/thrift-reader.ts";
import { WireError } from "../../util/wire-reader.ts";
import { ProcessRows } from "./process-rows.ts";
import { References } from "./references.ts";
import { SpanTags } from "./span-tags.ts";
import { TagValues } from "./tag-values.ts";

/** Per span. */
export const MAX_LOGS = 65_535;

/** What the decoders of both wire formats do alike, over one batch. */
export class DecoderParts {
  readonly batch: SpanBatch;
  readonly truncated: TruncatedAttributes = { resource: 0, scope: 0, span: 0, event: 0, link: 0 };
  /** The tag at hand. */
  readonly tag: TagValues;
  readonly spanTags: SpanTags;
  readonly references: References;
  readonly processes: ProcessRows;
  /** The 16 bytes of the trace id at hand, and of the reference at hand. */
  readonly traceId = new Uint8Array(16);
  readonly trace = new DataView(this.traceId.buffer);
  readonly referenceTrace = new DataView(new ArrayBuffer(16));
  /** Rows of scopes by name and version. */
  readonly #scopes = new Map<number, number>();
  readonly #eventKey: number;

  constructor(batch: SpanBatch, protocol: "protobuf" | "thrift", maxAttributeBytes: number) {
    this.batch = batch;
    this.tag = new TagValues(batch.strings, maxAttributeBytes);
    this.spanTags = new SpanTags(batch, this.tag, protocol);
    this.references = new References(batch);
    this.processes = new ProcessRows(batch, this.tag);
    this.#eventKey = batch.strings.internText("event");
  }

  /**
   * Runs `read`, which appends the spans of `bytes`, and returns their number. `admit` gets their size
   * as OTLP protobuf. Whatever is thrown, the batch is then as before; what says that the bytes are no
   * message becomes a `DecodeError`.
   */
  decode(bytes: Uint8Array, read: () => void, admit?: (protobufBytes: number) => void): number {
    const { batch } = this;
    const mark = batch.mark();
    const truncated = { ...this.truncated };
    this.processes.begin();
    this.tag.begin(bytes);
    try {
      read();
      admit?.(otlpProtobufSize(batch, mark.spanCount));
      return batch.spanCount - mark.spanCount;
    } catch (error) {
      batch.rollback(mark);
      for (const [key, row] of this.#scopes) if (row >= mark.scopeCount) this.#scopes.delete(key);
      this.processes.rollback();
      Object.assign(this.truncated, truncated);
      if (error instanceof WireError || error instanceof ThriftError) {
        throw new DecodeError("syntax", error.message);
      }
      throw error;
    } finally {
      this.tag.begin(EMPTY);
    }
  }

  /** Row of the scope with that name and version, by their string ids. */
  #scopeRow(name: number, version: number): number {
    const key = name * MAX_STRINGS + version;
    const known = this.#scopes.get(key);
    if (known !== undefined) return known;
    const row = this.batch.closeScope(name, version, 0, 0);
    this.#scopes.set(key, row);
    return row;
  }

  /** Takes the tag at hand as a field of the log in event row `row`. */
  logField(row: number): void {
    const { batch, tag } = this;
    const key = tag.wholeKey(EVENT_KEY_BYTES);
    if (key === this.#eventKey) batch.eventName[row] = tag.text();
    else tag.push(batch.eventAttributes, key);
  }

  /** After `openSpan` gave `row`. */
  beginSpan(row: number): void {
    clear(this.trace);
    this.batch.spanId[2 * row] = 0;
    this.batch.spanId[2 * row + 1] = 0;
    this.spanTags.begin();
    this.references.begin();
  }

  hasNoIds(row: number): boolean {
    const { spanId } = this.batch;
    return isZero(this.trace) && (spanId[2 * row]! | spanId[2 * row + 1]!) === 0;
  }

  /** Opens an event of the span in `row`; then come `logField` and `closeLog`. */
  openLog(row: number): number {
    const { batch } = this;
    this.truncated.span += this.tag.takeCuts();
    if (batch.eventCount - batch.eventOffsets[row]! >= MAX_LOGS) {
      throw new DecodeError("limit", `span has more than ${MAX_LOGS} logs`);
    }
    return batch.openEvent();
  }

  /** Ends the event that `openLog` opened. */
  closeLog(): void {
    this.truncated.event += this.tag.takeCuts();
    this.batch.closeEvent();
  }

  /**
   * Ends the span in `row`, whose tags and references were added and whose trace id is in `traceId`.
   * Throws `trace_id` or `span_id` when that id is zero.
   */
  closeSpan(row: number, resource: number): void {
    const { batch, trace } = this;
    if (isZero(trace)) {
      throw new DecodeError("trace_id", "trace ids must be 128 bit, received 0 bits");
    }
    if ((batch.spanId[2 * row]! | batch.spanId[2 * row + 1]!) === 0) {
      throw new DecodeError("span_id", "span ids must be 64 bit and not all zero, received 0 bits");
    }
    this.spanTags.finish(row);
    this.truncated.span += this.tag.takeCuts();
    this.references.finish(row, trace);
    batch.traceIndex[row] = batch.internTrace(this.traceId, 0);
    batch.resource[row] = resource;
    batch.scope[row] = this.#scopeRow(this.spanTags.scopeName, this.spanTags.scopeVersion);
    batch.closeSpan();
  }
}

export function clear(id: DataView): void {
  for (let i = 0; i < 16; i += 4) id.setInt32(i, 0);
}

function isZero(trace: DataView): boolean {
  for (let i = 0; i < 16; i += 4) if (trace.getInt32(i) !== 0) return false;
  return true;
}

const EVENT_KEY_BYTES = 5;
/** Twice this many bits are exact in a number; no batch has as many strings. */
const MAX_STRINGS = 2 ** 26;
const EMPTY = new Uint8Array(0);
