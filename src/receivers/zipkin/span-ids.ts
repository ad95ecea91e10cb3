import { DecodeError } from "../../model/decode-error.ts";
import type { SpanBatch } from "../../model/span-batch.ts";

/** Values of hex digits by byte, -1 for all other bytes. */
const HEX = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
  HEX["0123456789abcdef".charCodeAt(i)] = i;
  HEX["0123456789ABCDEF".charCodeAt(i)] = i;
}

/** The ids of the span at hand. All zero is the same as absent. */
export class SpanIds {
  readonly trace = new Uint8Array(16);
  readonly #traceView = new DataView(this.trace.buffer);
  spanLo = 0;
  spanHi = 0;
  parentLo = 0;
  parentHi = 0;
  /** What `hex` read last. */
  #lo = 0;
  #hi = 0;

  reset(): void {
    this.trace.fill(0);
    this.spanLo = 0;
    this.spanHi = 0;
    this.parentLo = 0;
    this.parentHi = 0;
  }

  get hasTrace(): boolean {
    const view = this.#traceView;
    return (view.getInt32(0) | view.getInt32(4) | view.getInt32(8) | view.getInt32(12)) !== 0;
  }

  get hasSpan(): boolean {
    return (this.spanLo | this.spanHi) !== 0;
  }

  get hasParent(): boolean {
    return (this.parentLo | this.parentHi) !== 0;
  }

  /** 1 to 32 hex digits, of which the last 16 are the low half; false when it is something else. */
  setTraceHex(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start > 32 || end === start) return false;
    const split = Math.max(start, end - 16);
    if (split > start) {
      if (!this.#hex(bytes, start, split)) return false;
      this.setTraceHalf(0, this.#lo, this.#hi);
    } else this.setTraceHalf(0, 0, 0);
    if (!this.#hex(bytes, split, end)) return false;
    this.setTraceHalf(8, this.#lo, this.#hi);
    return true;
  }

  /** The half of the trace id that begins at byte `at` (0 or 8). */
  setTraceHalf(at: number, lo: number, hi: number): void {
    this.#traceView.setUint32(at, hi);
    this.#traceView.setUint32(at + 4, lo);
  }

  setSpanHex(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#hex(bytes, start, end)) return false;
    this.spanLo = this.#lo;
    this.spanHi = this.#hi;
    return true;
  }

  setParentHex(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#hex(bytes, start, end)) return false;
    this.parentLo = this.#lo;
    this.parentHi = this.#hi;
    return true;
  }

  /** Writes the ids to a span's row. A span that is its own parent has none. */
  store(batch: SpanBatch, row: number): void {
    if (!this.hasTrace) {
      throw new DecodeError("trace_id", "trace ids must be 128 bit, received 0 bits");
    }
    if (!this.hasSpan) {
      const message = "span ids must be 64 bit and not all zero, received 0 bits";
      throw new DecodeError("span_id", message);
    }
    batch.traceIndex[row] = batch.internTrace(this.trace, 0);
    batch.spanId[2 * row] = this.spanLo;
    batch.spanId[2 * row + 1] = this.spanHi;
    if (this.parentLo === this.spanLo && this.parentHi === this.spanHi) return;
    batch.parentSpanId[2 * row] = this.parentLo;
    batch.parentSpanId[2 * row + 1] = this.parentHi;
  }

  /** 1 to 16 hex digits into `lo` and `hi`. */
  #hex(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length === 0 || length > 16) return false;
    const split = Math.max(start, end - 8);
    let invalid = 0;
    let hi = 0;
    for (let i = start; i < split; i++) {
      const digit = HEX[bytes[i]!]!;
      invalid |= digit;
      hi = (hi << 4) | digit;
    }
    let lo = 0;
    for (let i = split; i < end; i++) {
      const digit = HEX[bytes[i]!]!;
      invalid |= digit;
      lo = (lo << 4) | digit;
    }
    this.#lo = lo >>> 0;
    this.#hi = hi >>> 0;
    return invalid >= 0;
  }
}

/** Writes `bytes[start .. end]`, exactly `2 * length` hex digits, to `out[at]`. */
export function hexToBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  length: number,
): boolean {
  if (end - start !== 2 * length) return false;
  for (let i = 0; i < length; i++) {
    const high = HEX[bytes[start + 2 * i]!]!;
    const low = HEX[bytes[start + 2 * i + 1]!]!;
    if (high < 0 || low < 0) return false;
    out[at + i] = (high << 4) | low;
  }
  return true;
}
