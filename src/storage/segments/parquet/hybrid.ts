import type { ByteSink } from "./byte-sink.ts";

/** Bits to tell `count` values apart, at least 1: a width of 0 is where readers disagree. */
export function bitWidth(count: number): number {
  return count <= 2 ? 1 : 32 - Math.clz32(count - 1);
}

/** Widest codes the bit packer takes: a code and seven waiting bits share 32 bits. */
export const MAX_BIT_WIDTH = 24;

/**
 * Appends `values[from .. to]` in Parquet's hybrid of run-length and bit-packed runs, `width` bits
 * each. Narrow codes need longer runs before leaving the packed form pays.
 */
export function encodeHybrid(
  sink: ByteSink,
  values: Uint32Array | Uint8Array,
  from: number,
  to: number,
  width: number,
): void {
  const minRun = width === 1 ? 64 : width < 4 ? 24 : width < 8 ? 16 : 8;
  let packedFrom = from;
  let i = from;
  while (i < to) {
    const value = values[i]!;
    let j = i + 1;
    while (j < to && values[j] === value) j++;
    if (j - i >= minRun) {
      // A packed run in mid-stream holds a multiple of eight: it borrows from the long one.
      const borrow = -(i - packedFrom) & 7;
      if (j - i - borrow >= 8) {
        packRun(sink, values, packedFrom, i + borrow, width);
        repeatRun(sink, value, j - i - borrow, width);
        packedFrom = j;
      }
    }
    i = j;
  }
  packRun(sink, values, packedFrom, to, width);
}

export function repeatRun(sink: ByteSink, value: number, count: number, width: number): void {
  sink.varint(count * 2);
  sink.byte(value);
  if (width > 8) sink.byte(value >>> 8);
  if (width > 16) sink.byte(value >>> 16);
}

function packRun(
  sink: ByteSink,
  values: Uint32Array | Uint8Array,
  from: number,
  to: number,
  width: number,
): void {
  if (from === to) return;
  const groups = (to - from + 7) >>> 3;
  sink.varint(groups * 2 + 1);
  sink.reserve(groups * width + 4);
  const out = sink.bytes;
  const end = sink.length + groups * width;
  let at = sink.length;
  let waiting = 0;
  let bits = 0;
  for (let i = from; i < to; i++) {
    waiting |= values[i]! << bits;
    bits += width;
    while (bits >= 8) {
      out[at++] = waiting;
      waiting >>>= 8;
      bits -= 8;
    }
  }
  if (bits > 0) out[at++] = waiting;
  // The room may hold older bytes: the padding of the last group must be zero.
  while (at < end) out[at++] = 0;
  sink.length = end;
}

/**
 * Appends definition levels of width 1 for rows `firstRow .. lastRow`, of which `rows[from .. to]`
 * (rising) are present. Its cost grows with the runs, not with the rows.
 */
export function encodePresence(
  sink: ByteSink,
  rows: Uint32Array,
  from: number,
  to: number,
  firstRow: number,
  lastRow: number,
): void {
  const encoder = new BitRuns(sink);
  let next = firstRow;
  let i = from;
  while (i < to) {
    const row = rows[i]!;
    if (row > next) encoder.run(0, row - next);
    let j = i + 1;
    while (j < to && rows[j] === row + (j - i)) j++;
    encoder.run(1, j - i);
    next = row + (j - i);
    i = j;
  }
  if (lastRow > next) encoder.run(0, lastRow - next);
  encoder.finish();
}

/** Packed runs hold at most this many bytes, so that their header's room is known in advance. */
const MAX_PACKED = 8192;

/** The hybrid at width 1, fed with runs. A packed run's two-byte header is filled in at its end. */
class BitRuns {
  readonly #sink: ByteSink;
  /** Where the open packed run's header lies, or -1. */
  #header = -1;
  #waiting = 0;
  #bits = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  run(value: 0 | 1, count: number): void {
    let left = count;
    if (this.#bits > 0) left -= this.#push(value, Math.min(left, 8 - this.#bits));
    if (left >= 64) {
      this.#close();
      repeatRun(this.#sink, value, left, 1);
      return;
    }
    while (left > 0) left -= this.#push(value, Math.min(left, 8));
  }

  finish(): void {
    if (this.#bits > 0) this.#push(0, 8 - this.#bits);
    this.#close();
  }

  #push(value: 0 | 1, count: number): number {
    if (value === 1) this.#waiting |= ((1 << count) - 1) << this.#bits;
    this.#bits += count;
    if (this.#bits === 8) {
      const sink = this.#sink;
      if (this.#header < 0) {
        this.#header = sink.length;
        sink.byte(0);
        sink.byte(0);
      }
      sink.byte(this.#waiting);
      this.#waiting = 0;
      this.#bits = 0;
      if (sink.length - this.#header - 2 === MAX_PACKED - 1) this.#close();
    }
    return count;
  }

  #close(): void {
    if (this.#header < 0) return;
    const { bytes, length } = this.#sink;
    const header = (length - this.#header - 2) * 2 + 1;
    // Always two bytes, also where one would do: a varint may be padded.
    bytes[this.#header] = (header & 127) | 128;
    bytes[this.#header + 1] = header >>> 7;
    this.#header = -1;
  }
}
