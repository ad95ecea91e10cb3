import type { RowGroupMeta } from "../../schema/segment-meta.ts";
import type { SpanOrder } from "./span-order.ts";

/**
 * The first row of each row group and, last, the row count. Groups are of about equal size, at most
 * `rowGroupRows`, and end between traces; only a trace that is longer by itself is cut.
 */
export function rowGroupStarts(order: SpanOrder, rowGroupRows: number): number[] {
  const { rowCount, traceCount, traceRows } = order;
  const limit = Math.max(1, Math.floor(rowGroupRows));
  const wanted = Math.ceil(rowCount / Math.ceil(rowCount / limit));
  const starts = [0];
  let start = 0;
  const cut = (row: number) => {
    if (row > start) starts.push(row);
    start = row;
  };
  for (let t = 0; t < traceCount; t++) {
    const from = traceRows[t]!;
    const to = traceRows[t + 1]!;
    if (to - start > limit || from - start >= wanted) cut(from);
    while (to - start > limit) cut(start + limit);
  }
  cut(rowCount);
  return starts;
}

export function rowGroupMetas(order: SpanOrder, starts: readonly number[]): RowGroupMeta[] {
  const metas: RowGroupMeta[] = [];
  for (let g = 0; g + 1 < starts.length; g++) {
    const first = starts[g]!;
    const last = starts[g + 1]!;
    metas.push({
      rowCount: last - first,
      minTraceStart: traceStart(order, traceOfRow(order, last - 1)),
      maxTraceStart: traceStart(order, traceOfRow(order, first)),
    });
  }
  return metas;
}

function traceOfRow({ traceRows, traceCount }: SpanOrder, row: number): number {
  let low = 0;
  let high = traceCount;
  while (low + 1 < high) {
    const middle = (low + high) >>> 1;
    if (traceRows[middle]! <= row) low = middle;
    else high = middle;
  }
  return low;
}

function traceStart({ traceStartHi, traceStartLo }: SpanOrder, t: number): bigint {
  return (BigInt(traceStartHi[t]!) << 32n) | BigInt(traceStartLo[t]!);
}
