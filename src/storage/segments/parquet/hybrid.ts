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
  values: Uint32Array,
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
  values: Uint32Array,
  from: number,
  to: number,
  width: number,
): void {
  if (from === to) return;
  const groups = (to - from + 7) >>> 3;
  sink.varint(groups * 2 + 1);
  sink.reserve(groups * width + 4);
  const end = sink.length + groups * width;
  const at =
    width <= 8
      ? packNarrow(sink.bytes, sink.length, values, from, to, width)
      : packWide(sink.bytes, sink.length, values, from, to, width);
  // The room may hold older bytes: the padding of the last group must be zero.
  sink.bytes.fill(0, at, end);
  sink.length = end;
}

/** Up to 8 bits: a value completes one byte at most. */
function packNarrow(
  out: Uint8Array,
  start: number,
  values: Uint32Array,
  from: number,
  to: number,
  width: number,
): number {
  let at = start;
  let waiting = 0;
  let bits = 0;
  for (let i = from; i < to; i++) {
    waiting |= values[i]! << bits;
    bits += width;
    if (bits >= 8) {
      out[at++] = waiting;
      waiting >>>= 8;
      bits -= 8;
    }
  }
  if (bits > 0) out[at++] = waiting;
  return at;
}

/** More than 8 bits: a value completes one byte at least. */
function packWide(
  out: Uint8Array,
  start: number,
  values: Uint32Array,
  from: number,
  to: number,
  width: number,
): number {
  let at = start;
  let waiting = 0;
  let bits = 0;
  for (let i = from; i < to; i++) {
    waiting |= values[i]! << bits;
    bits += width;
    do {
      out[at++] = waiting;
      waiting >>>= 8;
      bits -= 8;
    } while (bits >= 8);
  }
  if (bits > 0) out[at++] = waiting;
  return at;
}

/**
 * Appends definition levels of width 1 for rows `firstRow .. lastRow`, of which `rows[from .. to]`
 * (rising) are present: as one bitmap, or as runs where only few rows are present.
 */
export function encodePresence(
  sink: ByteSink,
  rows: Uint32Array,
  from: number,
  to: number,
  firstRow: number,
  lastRow: number,
): void {
  const rowCount = lastRow - firstRow;
  if (to - from === rowCount) repeatRun(sink, 1, rowCount, 1);
  else if ((to - from) * SPARSE < rowCount) encodeSparse(sink, rows, from, to, firstRow, lastRow);
  else encodeBitmap(sink, rows, from, to, firstRow, rowCount);
}

/** From one present row in this many on, a bitmap takes less room than runs. */
const SPARSE = 32;

function encodeBitmap(
  sink: ByteSink,
  rows: Uint32Array,
  from: number,
  to: number,
  firstRow: number,
  rowCount: number,
): void {
  const bytes = (rowCount + 7) >>> 3;
  sink.varint(bytes * 2 + 1);
  sink.reserve(bytes);
  const out = sink.bytes;
  const base = sink.length;
  out.fill(0, base, base + bytes);
  for (let i = from; i < to; i++) {
    const bit = rows[i]! - firstRow;
    out[base + (bit >>> 3)]! |= 1 << (bit & 7);
  }
  sink.length = base + bytes;
}

/** Every present row makes a run of ones, packed into one group of eight with what follows. */
function encodeSparse(
  sink: ByteSink,
  rows: Uint32Array,
  from: number,
  to: number,
  firstRow: number,
  lastRow: number,
): void {
  let next = firstRow;
  let i = from;
  while (i < to) {
    const row = rows[i]!;
    if (row > next) repeatRun(sink, 0, row - next, 1);
    let ones = 0;
    for (; i < to && rows[i]! < row + 8; i++) ones |= 1 << (rows[i]! - row);
    sink.byte(3);
    sink.byte(ones);
    next = row + 8;
  }
  if (lastRow > next) repeatRun(sink, 0, lastRow - next, 1);
}
