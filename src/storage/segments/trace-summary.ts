import type { SpanBatch } from "../../model/span-batch.ts";
import type { SpanOrder } from "./span-order.ts";

/** What the spans of each trace say together. */
export type TraceSummaries = {
  /** Latest end minus earliest start, 0 to 2^63 - 1. */
  readonly durationLo: Uint32Array;
  readonly durationHi: Uint32Array;
  /** The first root in row order, as a span of the batch; -1 = none. */
  readonly root: Int32Array;
  /** Latest end of all spans, unsigned and not clamped. */
  readonly maxEndLo: number;
  readonly maxEndHi: number;
};

export type SpanTimes = Pick<SpanBatch, "start" | "end">;

/** `isRoot` is asked about spans of the batch until it says yes. */
export function traceSummaries(
  { start, end }: SpanTimes,
  order: Pick<SpanOrder, "traceCount" | "traceRows" | "spans">,
  isRoot: (span: number) => boolean,
): TraceSummaries {
  const { traceCount, traceRows, spans } = order;
  const durationLo = new Uint32Array(traceCount);
  const durationHi = new Uint32Array(traceCount);
  const rootSpan = new Int32Array(traceCount);
  let maxEndLo = 0;
  let maxEndHi = 0;
  for (let t = 0; t < traceCount; t++) {
    const first = spans[traceRows[t]!]!;
    let endLo = 0;
    let endHi = 0;
    let root = -1;
    for (let row = traceRows[t]!; row < traceRows[t + 1]!; row++) {
      const span = spans[row]!;
      const lo = end[2 * span]!;
      const hi = end[2 * span + 1]!;
      if (hi > endHi || (hi === endHi && lo > endLo)) {
        endLo = lo;
        endHi = hi;
      }
      if (root < 0 && isRoot(span)) root = span;
    }
    const low = endLo - start[2 * first]!;
    const high = endHi - start[2 * first + 1]! - (low < 0 ? 1 : 0);
    if (high >= 0) {
      durationLo[t] = high > 0x7fffffff ? 0xffffffff : low;
      durationHi[t] = Math.min(high, 0x7fffffff);
    }
    rootSpan[t] = root;
    // Spans that end before they start are instants; the trace's last span starts the latest.
    const last = spans[traceRows[t + 1]! - 1]!;
    const lastLo = start[2 * last]!;
    const lastHi = start[2 * last + 1]!;
    if (lastHi > endHi || (lastHi === endHi && lastLo > endLo)) {
      endLo = lastLo;
      endHi = lastHi;
    }
    if (endHi > maxEndHi || (endHi === maxEndHi && endLo > maxEndLo)) {
      maxEndLo = endLo;
      maxEndHi = endHi;
    }
  }
  return { durationLo, durationHi, root: rootSpan, maxEndLo, maxEndHi };
}
