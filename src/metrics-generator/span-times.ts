import type { SpanBatch } from "../model/span-batch.ts";

const WORD = 0x1_0000_0000;

/** Seconds from the start of the span to its end; 0 when that lies before. */
export function durationSeconds({ start, end }: SpanBatch, row: number): number {
  const hi = end[2 * row + 1]! - start[2 * row + 1]!;
  const nanos = hi * WORD + (end[2 * row]! - start[2 * row]!);
  return nanos > 0 ? nanos / 1e9 : 0;
}

export function endUnixMs({ end }: SpanBatch, row: number): number {
  return (end[2 * row + 1]! * WORD + end[2 * row]!) / 1e6;
}

export function startUnixNano({ start }: SpanBatch, row: number): bigint {
  return (BigInt(start[2 * row + 1]!) << 32n) | BigInt(start[2 * row]!);
}

export function endUnixNano({ end }: SpanBatch, row: number): bigint {
  return (BigInt(end[2 * row + 1]!) << 32n) | BigInt(end[2 * row]!);
}
