import type { SpanBatch } from "../../model/span-batch.ts";
import { utf8Text } from "../../util/utf8-text.ts";

/** Larger numbers of microseconds (from the year 2255 on) are refused: nothing is rounded below. */
export const MAX_MICROS = 2 ** 53 - 1;

/**
 * The microseconds of a JSON number, fractions rounded half up; -1 when it is negative or beyond
 * `MAX_MICROS`.
 */
export function parseMicros(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return otherNumber(utf8Text(bytes, start, end));
    value = value * 10 + digit;
  }
  return bounded(value);
}

function otherNumber(text: string): number {
  // As double the whole would have quarters at best, and be rounded twice.
  const parts = /^(\d+)\.(\d)\d*$/.exec(text);
  if (parts === null) return bounded(Math.round(Number(text)));
  return bounded(Number(parts[1]) + (Number(parts[2]) >= 5 ? 1 : 0));
}

function bounded(micros: number): number {
  return micros >= 0 && micros <= MAX_MICROS ? Math.abs(micros) : -1;
}

/** Writes microseconds as nanoseconds to pair `row` of a column. */
export function storeMicros(column: Uint32Array, row: number, micros: number): void {
  // `>>> 0` is the remainder of 2^32, for whatever a double holds exactly.
  const low = (micros >>> 0) * 1000;
  const lo = low >>> 0;
  column[2 * row] = lo;
  column[2 * row + 1] = ((micros - (micros >>> 0)) / 2 ** 32) * 1000 + (low - lo) / 2 ** 32;
}

/** Writes start and end of a span. */
export function storeTimes(batch: SpanBatch, row: number, start: number, duration: number): void {
  storeMicros(batch.start, row, start);
  storeMicros(batch.end, row, duration);
  const lo = batch.end[2 * row]! + batch.start[2 * row]!;
  const carry = lo >= 2 ** 32 ? 1 : 0;
  batch.end[2 * row] = lo;
  batch.end[2 * row + 1] = batch.end[2 * row + 1]! + batch.start[2 * row + 1]! + carry;
}
