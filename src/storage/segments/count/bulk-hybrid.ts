import { MAX_BIT_WIDTH } from "../parquet/hybrid.ts";
import { corrupt, unsupported } from "../read/read-error.ts";

/** Bytes `from .. to` of a page, in Parquet's hybrid of run-length and bit-packed runs. */
export type HybridSection = {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
};

/**
 * Writes `count` codes of `width` bits to the front of `out`. For whole pages: a few nanoseconds a
 * code. Throws `corrupt` when the bytes end early.
 */
export function codesInto(
  { bytes, from, to }: HybridSection,
  width: number,
  count: number,
  out: Int32Array,
): void {
  if (width < 1 || width > MAX_BIT_WIDTH) throw unsupported(`codes of ${width} bits`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const runs = new Runs(bytes, from, to);
  for (let done = 0; done < count; ) {
    const half = runs.next();
    if (runs.packed) {
      const at = runs.take(half * width);
      const end = Math.min(done + half * 8, count);
      unpack(view, at, width, out, done, end);
      done = end;
    } else {
      const value = runs.value(width);
      const end = Math.min(done + half, count);
      out.fill(value, done, end);
      done = end;
    }
  }
}

/** Values `done .. end` from the byte `at` on. */
function unpack(
  view: DataView,
  at: number,
  width: number,
  out: Int32Array,
  done: number,
  end: number,
): void {
  const mask = 2 ** width - 1;
  const fast = Math.min(end, done + wordsAt(view, at, width));
  let bit = at * 8;
  let i = done;
  for (; i < fast; i++, bit += width) {
    out[i] = (view.getUint32(bit >>> 3, true) >>> (bit & 7)) & mask;
  }
  for (; i < end; i++, bit += width) out[i] = lastValue(view, bit) & mask;
}

/**
 * Adds one to `cells[code * slotCount + slot]` for each of `slots` and the code that belongs to it:
 * `codesInto` and a loop in one. `cells` has a place for each code of `width` bits.
 */
export function countCodes(
  { bytes, from, to }: HybridSection,
  width: number,
  slots: Int32Array,
  slotCount: number,
  cells: Uint32Array,
): void {
  if (width < 1 || width > MAX_BIT_WIDTH) throw unsupported(`codes of ${width} bits`);
  if (cells.length < 2 ** width * slotCount) throw new Error("too few cells");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const runs = new Runs(bytes, from, to);
  const mask = 2 ** width - 1;
  for (let i = 0; i < slots.length; ) {
    const half = runs.next();
    if (!runs.packed) {
      const end = Math.min(i + half, slots.length);
      countRun(runs.value(width) * slotCount, slots, i, end, cells);
      i = end;
      continue;
    }
    const at = runs.take(half * width);
    const end = Math.min(i + half * 8, slots.length);
    const fast = Math.min(end, i + wordsAt(view, at, width));
    countPacked(view, at, width, slots, i, fast, slotCount, cells);
    let bit = at * 8 + (fast - i) * width;
    for (i = fast; i < end; i++, bit += width) {
      const cell = (lastValue(view, bit) & mask) * slotCount + slots[i]!;
      cells[cell] = cells[cell]! + 1;
    }
  }
}

function countRun(
  base: number,
  slots: Int32Array,
  from: number,
  to: number,
  cells: Uint32Array,
): void {
  for (let i = from; i < to; i++) {
    const cell = (base + slots[i]!) | 0;
    cells[cell] = cells[cell]! + 1;
  }
}

function countPacked(
  view: DataView,
  at: number,
  width: number,
  slots: Int32Array,
  from: number,
  to: number,
  slotCount: number,
  cells: Uint32Array,
): void {
  const mask = (1 << width) - 1;
  let bit = at << 3;
  for (let i = from; i < to; i++) {
    const code = (view.getUint32(bit >>> 3, true) >>> (bit & 7)) & mask;
    const cell = (Math.imul(code, slotCount) + slots[i]!) | 0;
    cells[cell] = cells[cell]! + 1;
    bit = (bit + width) | 0;
  }
}

/**
 * How many values from the byte `at` on can be read as a word each, which holds a value and the bits
 * in front of it: the last words would reach behind the page.
 */
function wordsAt(view: DataView, at: number, width: number): number {
  return Math.max(Math.floor(((view.byteLength - 4 - at) * 8) / width), 0);
}

function lastValue(view: DataView, bit: number): number {
  let word = 0;
  const first = bit >>> 3;
  const last = Math.min(first + 4, view.byteLength);
  for (let b = first; b < last; b++) word |= view.getUint8(b) << (8 * (b - first));
  return word >>> (bit & 7);
}

/**
 * Copies to the front of `out` the entries of `rows` of which the level, a single bit, is set, and
 * returns how many these are. Throws `corrupt` when the bytes end early.
 */
export function presentInto(
  { bytes, from, to }: HybridSection,
  rows: Int32Array,
  out: Int32Array,
): number {
  const runs = new Runs(bytes, from, to);
  const count = rows.length;
  let n = 0;
  for (let row = 0; row < count; ) {
    const half = runs.next();
    if (!runs.packed) {
      const end = Math.min(row + half, count);
      if (bytes[runs.take(1)] !== 0) {
        out.set(rows.subarray(row, end), n);
        n += end - row;
      }
      row = end;
      continue;
    }
    let at = runs.take(half);
    const end = Math.min(row + half * 8, count);
    for (; row < end; row += 8) {
      let bits = bytes[at++]!;
      if (end - row < 8) bits &= 2 ** (end - row) - 1;
      if (bits === 255) {
        for (let i = 0; i < 8; i++) out[n + i] = rows[row + i]!;
        n += 8;
        continue;
      }
      for (; bits !== 0; bits &= bits - 1) out[n++] = rows[row + 31 - Math.clz32(bits & -bits)]!;
    }
    row = end;
  }
  return n;
}

/** The runs of a section, one after the other. */
class Runs {
  readonly #bytes: Uint8Array;
  readonly #to: number;
  #at: number;
  packed = false;

  constructor(bytes: Uint8Array, from: number, to: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#to = to;
  }

  /** Opens a run: of so many values, or groups of eight when it is packed. */
  next(): number {
    let header = 0;
    for (let scale = 1; ; scale *= 128) {
      if (this.#at >= this.#to) throw corrupt("a page ends early");
      if (scale > 2 ** 28) throw corrupt("a run's length has more than five bytes");
      const byte = this.#bytes[this.#at++]!;
      header += (byte & 127) * scale;
      if (byte < 128) break;
    }
    const half = Math.floor(header / 2);
    if (half === 0) throw corrupt("a run without values");
    this.packed = header % 2 === 1;
    return half;
  }

  /** That of a run of one value. */
  value(width: number): number {
    const byteCount = (width + 7) >>> 3;
    const at = this.take(byteCount);
    let value = 0;
    for (let i = 0; i < byteCount; i++) value |= this.#bytes[at + i]! << (8 * i);
    if (value >= 2 ** width) throw corrupt("a run's value is wider than it may be");
    return value;
  }

  /** Passes over bytes of the run; returns where they begin. */
  take(byteCount: number): number {
    const at = this.#at;
    if (byteCount > this.#to - at) throw corrupt("a run ends behind its page");
    this.#at = at + byteCount;
    return at;
  }
}
