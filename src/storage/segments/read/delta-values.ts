import { corrupt, unsupported } from "./read-error.ts";

/** Ours have 2048 and 8. */
const MAX_BLOCK_VALUES = 1 << 16;
const MAX_PARTS = 512;
/** Wider differences are not exact as doubles; ours have 53 bits at most. */
const MAX_WIDTH = 53;

/**
 * Values `skipped .. skipped + count` of a page in DELTA_BINARY_PACKED that begins at `at`, as signed
 * 64-bit integers. Throws `corrupt` where the bytes do not hold so many.
 */
export function deltaValues(
  bytes: Uint8Array,
  at: number,
  skipped: number,
  count: number,
): bigint[] {
  const distances = new Float64Array(skipped + count);
  const first = deltaDistances(bytes, at, distances);
  return Array.from(distances.subarray(skipped), (distance) => deltaValue(first, distance));
}

export function deltaValue(first: bigint, distance: number): bigint {
  return BigInt.asIntN(64, first + BigInt(distance));
}

/**
 * Fills `out` with how far the first values of such a page lie from the very first, which it
 * returns: safe integers all. Throws `corrupt` where the bytes do not hold so many.
 */
export function deltaDistances(bytes: Uint8Array, at: number, out: Float64Array): bigint {
  const input = new Bytes(bytes, at);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blockValues = input.varint();
  const parts = input.varint();
  const total = input.varint();
  if (blockValues > MAX_BLOCK_VALUES || parts > MAX_PARTS) {
    throw unsupported(`blocks of ${blockValues} values in ${parts} parts`);
  }
  const partValues = parts === 0 ? 0 : blockValues / parts;
  if (partValues === 0 || partValues % 32 !== 0) throw corrupt("blocks without whole parts");
  if (out.length > total) throw corrupt("a page has fewer values than it should");
  const first = input.zigzag64();
  let distance = 0;
  const end = out.length;
  if (end > 0) out[0] = 0;
  for (let index = 1; index < end; ) {
    const least = input.zigzag();
    const widths = input.take(parts);
    for (let part = 0; part < parts && index < end; part++) {
      const width = bytes[widths + part]!;
      if (width > MAX_WIDTH) throw unsupported(`differences of ${width} bits`);
      let bit = 8 * input.take((partValues / 8) * width);
      const stop = Math.min(end, index + partValues);
      for (; index < stop; index++, bit += width) {
        distance += least + bitsAt(view, bit, width);
        out[index] = distance;
      }
      if (!Number.isSafeInteger(distance)) throw unsupported("values far from each other");
    }
  }
  return first;
}

const POWERS = Float64Array.from({ length: 33 }, (_, i) => 2 ** i);

/** `width` bits, the lowest first. */
function bitsAt(view: DataView, bit: number, width: number): number {
  const at = bit >>> 3;
  const shift = bit & 7;
  if (at + 8 > view.byteLength) return lastBits(view, at, shift, width);
  const low = view.getUint32(at, true) >>> shift;
  const has = 32 - shift;
  if (width < has) return low & ((1 << width) - 1);
  // At most 28 bits of the next word.
  const high = view.getUint32(at + 4, true) & ((1 << (width - has)) - 1);
  return low + high * POWERS[has]!;
}

/** The same where the bytes end. */
function lastBits(view: DataView, from: number, skipped: number, width: number): number {
  let value = 0;
  let scale = 1;
  let at = from;
  let shift = skipped;
  for (let left = width; left > 0; ) {
    const taken = Math.min(8 - shift, left);
    value += ((view.getUint8(at++) >>> shift) & ((1 << taken) - 1)) * scale;
    scale *= 2 ** taken;
    left -= taken;
    shift = 0;
  }
  return value;
}

class Bytes {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Passes over so many bytes, which must be there; returns where they begin. */
  take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw corrupt("a page ends early");
    this.#at = at + count;
    return at;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 53; scale *= 128) {
      const byte = this.#bytes[this.take(1)]!;
      value += (byte & 127) * scale;
      if (byte >= 128) continue;
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
    throw unsupported("a difference of more than 53 bits");
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  zigzag64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.take(1)]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) {
        const whole = BigInt.asUintN(64, value);
        return (whole >> 1n) ^ -(whole & 1n);
      }
    }
    throw corrupt("a number has more than ten bytes");
  }
}
