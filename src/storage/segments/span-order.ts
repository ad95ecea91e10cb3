import type { SpanBatch } from "../../model/span-batch.ts";
import { TIME_MAX_UNIX_NANO } from "../../schema/columns.ts";
import { freeArrays } from "../../util/free-buffer.ts";

export const TIME_MAX_LO = Number(TIME_MAX_UNIX_NANO & 0xffffffffn);
export const TIME_MAX_HI = Number(TIME_MAX_UNIX_NANO >> 32n);

/** What spans and traces are ordered by. */
export type OrderedSpans = Pick<
  SpanBatch,
  "spanCount" | "traceCount" | "traceIndex" | "traceIds" | "start" | "spanId"
>;

/** The rows of a segment: which span each is, and where traces begin. */
export type SpanOrder = {
  readonly rowCount: number;
  /** Row → span of the batch. */
  readonly spans: Uint32Array;
  readonly traceCount: number;
  /** Rows of the segment's trace `t` are `traceRows[t] .. traceRows[t + 1]`. */
  readonly traceRows: Uint32Array;
  /** Segment's trace → trace of the batch. */
  readonly traces: Uint32Array;
  /** `trace_start` of each of the segment's traces, as stored. */
  readonly traceStartLo: Uint32Array;
  readonly traceStartHi: Uint32Array;
};

/**
 * Orders traces by stored start, newest first, then by id; the spans of one by start, then id, then
 * arrival. Only traces are sorted as a whole: spans merely within theirs.
 */
export function orderSpans(batch: OrderedSpans): SpanOrder {
  const { spanCount, traceCount: allTraces, traceIndex, start } = batch;
  const ends = new Uint32Array(allTraces + 1);
  for (let i = 0; i < spanCount; i++) ends[traceIndex[i]! + 1]!++;
  for (let t = 0; t < allTraces; t++) ends[t + 1]! += ends[t]!;
  const next = ends.slice(0, allTraces);
  const grouped = new Uint32Array(spanCount);
  for (let i = 0; i < spanCount; i++) grouped[next[traceIndex[i]!]!++] = i;

  const startLo = new Uint32Array(allTraces);
  const startHi = new Uint32Array(allTraces);
  const present: number[] = [];
  const spanOrder = spanComparator(batch);
  for (let t = 0; t < allTraces; t++) {
    const from = ends[t]!;
    const to = ends[t + 1]!;
    if (from === to) continue;
    sortWithin(grouped, from, to, spanOrder);
    const first = grouped[from]!;
    const lo = start[2 * first]!;
    const hi = start[2 * first + 1]!;
    const late = isAfterTimeMax(lo, hi);
    startLo[t] = late ? TIME_MAX_LO : lo;
    startHi[t] = late ? TIME_MAX_HI : hi;
    present.push(t);
  }
  const traces = Uint32Array.from(present).sort(traceComparator(batch, startLo, startHi));

  const order = {
    rowCount: spanCount,
    spans: new Uint32Array(spanCount),
    traceCount: traces.length,
    traceRows: new Uint32Array(traces.length + 1),
    traces,
    traceStartLo: new Uint32Array(traces.length),
    traceStartHi: new Uint32Array(traces.length),
  };
  let row = 0;
  for (let t = 0; t < traces.length; t++) {
    const trace = traces[t]!;
    for (let i = ends[trace]!; i < ends[trace + 1]!; i++) order.spans[row++] = grouped[i]!;
    order.traceRows[t + 1] = row;
    order.traceStartLo[t] = startLo[trace]!;
    order.traceStartHi[t] = startHi[trace]!;
  }
  freeArrays(ends, next, grouped, startLo, startHi);
  return order;
}

export function isAfterTimeMax(lo: number, hi: number): boolean {
  return hi > TIME_MAX_HI || (hi === TIME_MAX_HI && lo > TIME_MAX_LO);
}

type Comparator = (a: number, b: number) => number;

function spanComparator({ start, spanId }: OrderedSpans): Comparator {
  return (a, b) =>
    start[2 * a + 1]! - start[2 * b + 1]! ||
    start[2 * a]! - start[2 * b]! ||
    spanId[2 * a + 1]! - spanId[2 * b + 1]! ||
    spanId[2 * a]! - spanId[2 * b]! ||
    a - b;
}

function traceComparator({ traceIds }: OrderedSpans, lo: Uint32Array, hi: Uint32Array): Comparator {
  return (a, b) => {
    const time = hi[b]! - hi[a]! || lo[b]! - lo[a]!;
    if (time !== 0) return time;
    for (let i = 0; i < 16; i++) {
      const difference = traceIds[16 * a + i]! - traceIds[16 * b + i]!;
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

function sortWithin(spans: Uint32Array, from: number, to: number, compare: Comparator): void {
  if (to - from > 32) {
    spans.subarray(from, to).sort(compare);
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const span = spans[i]!;
    let j = i - 1;
    while (j >= from && compare(spans[j]!, span) > 0) {
      spans[j + 1] = spans[j]!;
      j--;
    }
    spans[j + 1] = span;
  }
}
