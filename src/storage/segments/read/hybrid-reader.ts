import { MAX_BIT_WIDTH } from "../parquet/hybrid.ts";
import { corrupt, unsupported } from "./read-error.ts";

/**
 * Reads levels or codes in Parquet's hybrid of run-length and bit-packed runs, `width` bits each.
 * What is not wanted is passed over run by run. Throws `corrupt` when the bytes end early.
 */
export class HybridReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #width: number;
  readonly #mask: number;
  #at: number;
  /** Values not yet taken, those of the current run among them; packed runs may be padded. */
  #remaining: number;
  #left = 0;
  #packed = false;
  #value = 0;
  /** Of a packed run, the next value's first bit, counted from the run's first byte. */
  #bit = 0;
  #base = 0;

  /** `count` values in `bytes[from .. to]`. */
  constructor(bytes: Uint8Array, from: number, to: number, width: number, count: number) {
    if (width < 1 || width > MAX_BIT_WIDTH) throw unsupported(`codes of ${width} bits`);
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    this.#width = width;
    this.#mask = 2 ** width - 1;
    this.#remaining = count;
  }

  get remaining(): number {
    return this.#remaining;
  }

  /** Passes over `count` values; returns how many of them are `value`. */
  skipCounting(count: number, value: number): number {
    let equal = 0;
    let wanted = count;
    while (wanted > 0) {
      const n = this.#begin(wanted);
      if (!this.#packed) {
        if (this.#value === value) equal += n;
      } else equal += this.#countEqual(n, value);
      this.#advance(n);
      wanted -= n;
    }
    return equal;
  }

  skip(count: number): void {
    let wanted = count;
    while (wanted > 0) {
      const n = this.#begin(wanted);
      this.#advance(n);
      wanted -= n;
    }
  }

  /** Stops in front of the zero that follows `zeros` others; returns how many values it passed. */
  skipToZero(zeros: number): number {
    let passed = 0;
    let wanted = zeros;
    while (this.#remaining > 0) {
      const n = this.#begin(this.#remaining);
      const taken = this.#untilZero(n, wanted);
      passed += taken.passed;
      wanted -= taken.zeros;
      this.#advance(taken.passed);
      if (taken.passed < n) return passed;
    }
    if (wanted > 0) throw corrupt("a page has fewer rows than it should");
    return passed;
  }

  /** Appends `count` values. */
  take(count: number, out: number[]): void {
    let wanted = count;
    while (wanted > 0) {
      const n = this.#begin(wanted);
      if (this.#packed) for (let i = 0; i < n; i++) out.push(this.#packedValue(i));
      else for (let i = 0; i < n; i++) out.push(this.#value);
      this.#advance(n);
      wanted -= n;
    }
  }

  /** Appends values from a zero on until `zeros` zeros and what follows each are taken. */
  takeZeros(zeros: number, out: number[]): void {
    let found = 0;
    while (this.#remaining > 0) {
      const n = this.#begin(this.#remaining);
      for (let i = 0; i < n; i++) {
        const value = this.#packed ? this.#packedValue(i) : this.#value;
        if (value === 0 && ++found > zeros) {
          this.#advance(i);
          return;
        }
        out.push(value);
      }
      this.#advance(n);
    }
  }

  /** First and last position of `value` among the values left. */
  rangeOf(value: number): { first: number; last: number } | undefined {
    let position = 0;
    let first = -1;
    let last = -1;
    while (this.#remaining > 0) {
      const n = this.#begin(this.#remaining);
      if (this.#packed) {
        for (let i = 0; i < n; i++) {
          if (this.#packedValue(i) !== value) continue;
          if (first < 0) first = position + i;
          last = position + i;
        }
      } else if (this.#value === value) {
        if (first < 0) first = position;
        last = position + n - 1;
      }
      this.#advance(n);
      position += n;
    }
    return first < 0 ? undefined : { first, last };
  }

  /** Makes sure that a run is open; how many of the `wanted` values it holds, at least one. */
  #begin(wanted: number): number {
    if (this.#left === 0) this.#nextRun();
    return Math.min(this.#left, wanted);
  }

  #advance(count: number): void {
    this.#left -= count;
    this.#remaining -= count;
    this.#bit += count * this.#width;
  }

  #nextRun(): void {
    const header = this.#varint();
    const half = Math.floor(header / 2);
    if (half === 0) throw corrupt("a run without values");
    if (this.#remaining === 0) throw corrupt("a page ends early");
    if (header % 2 === 1) {
      const byteCount = half * this.#width;
      if (byteCount > this.#end - this.#at) throw corrupt("a packed run ends behind its page");
      this.#packed = true;
      this.#base = this.#at;
      this.#bit = 0;
      this.#at += byteCount;
      this.#left = Math.min(half * 8, this.#remaining);
      return;
    }
    const valueBytes = (this.#width + 7) >>> 3;
    if (valueBytes > this.#end - this.#at) throw corrupt("a run ends behind its page");
    let value = 0;
    for (let i = 0; i < valueBytes; i++) value |= this.#bytes[this.#at++]! << (8 * i);
    if ((value & ~this.#mask) !== 0) throw corrupt("a run's value is wider than it may be");
    this.#packed = false;
    this.#value = value;
    this.#left = Math.min(half, this.#remaining);
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 5; i++) {
      if (this.#at >= this.#end) throw corrupt("a page ends early");
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw corrupt("a run's length has more than five bytes");
  }

  /** The packed run's value `i` from here. At most 24 bits and 7 in front of them: one word. */
  #packedValue(i: number): number {
    const bit = this.#bit + i * this.#width;
    const at = this.#base + (bit >>> 3);
    const bytes = this.#bytes;
    // Bytes behind the end are undefined, which the operators take for 0.
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    return (word >>> (bit & 7)) & this.#mask;
  }

  /** How many of the packed run's next `count` values are `value`. */
  #countEqual(count: number, value: number): number {
    let equal = 0;
    let i = 0;
    if (this.#width <= MAX_GROUP_WIDTH) {
      const start = this.#groupStart(count);
      for (; i < start; i++) if (this.#packedValue(i) === value) equal++;
      if (this.#width === 1 && value <= 1) {
        const words = (count - i) >>> 5;
        const ones = this.#onesInWords(i, words);
        equal += value === 1 ? ones : 32 * words - ones;
        i += 32 * words;
      }
      for (; i + 8 <= count; i += 8) equal += this.#equalInGroup(i, value);
    }
    for (; i < count; i++) if (this.#packedValue(i) === value) equal++;
    return equal;
  }

  /** The ones among `32 * words` single bits from `i` on, which begins a byte. Bitmaps are long. */
  #onesInWords(i: number, words: number): number {
    const bytes = this.#bytes;
    let at = this.#base + ((this.#bit + i) >>> 3);
    let ones = 0;
    for (let w = 0; w < words; w++, at += 4) {
      ones += bitCount(
        bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24),
      );
    }
    return ones;
  }

  /** Values in front of the next group of eight, which begins with a byte. */
  #groupStart(count: number): number {
    const passed = this.#bit / this.#width;
    return Math.min(count, -passed & 7);
  }

  /** How many of the eight values from `i` on are `value`; `i` begins a group. */
  #equalInGroup(i: number, value: number): number {
    const width = this.#width;
    const at = this.#base + ((this.#bit + i * width) >>> 3);
    const bytes = this.#bytes;
    let word = bytes[at]!;
    for (let b = 1; b < width; b++) word |= bytes[at + b]! << (8 * b);
    // Each value's lowest bit becomes 1 where any of its bits differs.
    const lowest = LOWEST_BITS[width]!;
    const differing = word ^ Math.imul(lowest, value);
    let any = differing;
    for (let b = 1; b < width; b++) any |= differing >>> b;
    return 8 - bitCount(any & lowest);
  }

  /** Of the next `count` values of this run, those in front of the zero after `wanted` zeros. */
  #untilZero(count: number, wanted: number): { passed: number; zeros: number } {
    if (!this.#packed) {
      if (this.#value !== 0) return { passed: count, zeros: 0 };
      const passed = Math.min(count, wanted);
      return { passed, zeros: passed };
    }
    let zeros = 0;
    let i = 0;
    const start = this.#width <= MAX_GROUP_WIDTH ? this.#groupStart(count) : count;
    for (; i < count; i++) {
      if (i >= start && ((i - start) & 7) === 0) {
        // Whole groups, as long as the zero looked for is not in them.
        while (i + 8 <= count) {
          const more = this.#equalInGroup(i, 0);
          if (zeros + more > wanted) break;
          zeros += more;
          i += 8;
        }
        if (i === count) break;
      }
      if (this.#packedValue(i) !== 0) continue;
      if (zeros === wanted) return { passed: i, zeros };
      zeros++;
    }
    return { passed: count, zeros };
  }
}

/** Eight values of at most this width fit a word. */
const MAX_GROUP_WIDTH = 4;
/** By width, a word with the lowest bit of each of eight values. */
const LOWEST_BITS = [0, 0xff, 0x5555, 0o11111111, 0x11111111] as const;

function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
