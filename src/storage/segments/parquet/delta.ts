import type { ByteSink } from "./byte-sink.ts";

/** Values of a block that share one smallest difference, and of a part of it that share one width. */
const BLOCK_VALUES = 2048;
const PART_VALUES = 256;
const PARTS = BLOCK_VALUES / PART_VALUES;
/** Parts are padded to their full length, so for fewer values PLAIN is smaller. */
const MIN_VALUES = 1024;
/** Farthest from the first value: differences of differences are then exact as doubles. */
const MAX_DISTANCE = 2 ** 50;
const HALF = 2 ** 32;
const PIECE = 2 ** 24;

/**
 * Whether 8-byte integers, pairs of lo and hi, are worth writing with `encodeDelta`: many, and near
 * each other. Those of one place may be 13 days apart when they are times.
 */
export function suitsDelta(pairs: Uint32Array, count: number): boolean {
  if (count < MIN_VALUES) return false;
  const lo = pairs[0]!;
  const hi = pairs[1]! | 0;
  for (let i = 1; i < count; i++) {
    const distance = ((pairs[2 * i + 1]! | 0) - hi) * HALF + (pairs[2 * i]! - lo);
    if (distance > MAX_DISTANCE || distance < -MAX_DISTANCE) return false;
  }
  return true;
}

const gaps = new Float64Array(BLOCK_VALUES);

/** Appends values `from .. to` in DELTA_BINARY_PACKED; `suitsDelta` must hold for all of the chunk. */
export function encodeDelta(sink: ByteSink, pairs: Uint32Array, from: number, to: number): void {
  sink.varint(BLOCK_VALUES);
  sink.varint(PARTS);
  sink.varint(to - from);
  const first =
    from < to ? (BigInt(pairs[2 * from + 1]! | 0) << 32n) | BigInt(pairs[2 * from]!) : 0n;
  zigzag64(sink, first);
  for (let start = from + 1; start < to; start += BLOCK_VALUES) {
    encodeBlock(sink, pairs, start, Math.min(BLOCK_VALUES, to - start));
  }
}

function encodeBlock(sink: ByteSink, pairs: Uint32Array, start: number, count: number): void {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    const at = 2 * (start + i);
    const gap =
      ((pairs[at + 1]! | 0) - (pairs[at - 1]! | 0)) * HALF + (pairs[at]! - pairs[at - 2]!);
    gaps[i] = gap;
    if (gap < least) least = gap;
  }
  // Zigzag: below 2^53.
  sink.varint(least < 0 ? -2 * least - 1 : 2 * least);
  const widthsAt = sink.length;
  for (let part = 0; part < PARTS; part++) sink.byte(0);
  for (let part = 0; part * PART_VALUES < count; part++) {
    const begin = part * PART_VALUES;
    const end = Math.min(begin + PART_VALUES, count);
    let most = 0;
    for (let i = begin; i < end; i++) {
      const rest = gaps[i]! - least;
      gaps[i] = rest;
      if (rest > most) most = rest;
    }
    const width = most < HALF ? 32 - Math.clz32(most) : 64 - Math.clz32(Math.floor(most / HALF));
    sink.bytes[widthsAt + part] = width;
    pack(sink, begin, end, width);
  }
}

/** Packs `gaps[begin .. end]` into bits, the lowest first, and zeros up to the part's end. */
function pack(sink: ByteSink, begin: number, end: number, width: number): void {
  const byteCount = (PART_VALUES / 8) * width;
  sink.reserve(byteCount);
  const { bytes } = sink;
  let at = sink.length;
  const after = at + byteCount;
  // Fewer than 8 bits between values; with 24 more they fit a word.
  let word = 0;
  let bits = 0;
  for (let i = begin; i < end; i++) {
    let rest = gaps[i]!;
    for (let left = width; left > 0; left -= 24) {
      const high = Math.floor(rest / PIECE);
      word |= (rest - high * PIECE) << bits;
      bits += Math.min(left, 24);
      rest = high;
      while (bits >= 8) {
        bytes[at++] = word;
        word >>>= 8;
        bits -= 8;
      }
    }
  }
  if (bits > 0) bytes[at++] = word;
  bytes.fill(0, at, after);
  sink.length = after;
}

function zigzag64(sink: ByteSink, value: bigint): void {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest >= 128n; rest >>= 7n) sink.byte(Number(rest & 127n) | 128);
  sink.byte(Number(rest));
}
