import type { RowGroupMeta, SegmentSummary } from "../../schema/segment-meta.ts";
import type { RowGroups } from "./markers.ts";

/** Whether a row group may hold rows that the statement's own conditions let pass; never wrongly no. */
export type RowGroupFilter = (group: RowGroupMeta, of: GroupPlace) => boolean;
export type GroupPlace = { readonly meta: SegmentSummary; readonly index: number };

/** For rows whose trace starts from `from` to `to`, both included; `undefined`: without a bound. */
export function startsWithin(from: bigint | undefined, to: bigint | undefined): RowGroupFilter {
  return ({ minTraceStart, maxTraceStart }) =>
    (from === undefined || maxTraceStart >= from) && (to === undefined || minTraceStart <= to);
}

/** For rows whose trace starts at one of these. */
export function startsAt(starts: readonly bigint[]): RowGroupFilter {
  const sorted = BigInt64Array.from(starts).sort();
  return ({ minTraceStart, maxTraceStart }) => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < minTraceStart) low = middle + 1;
      else high = middle;
    }
    return low < sorted.length && sorted[low]! <= maxTraceStart;
  };
}

/** For rows whose trace starts in one of the ranges, both ends included. */
export function startsInRanges(
  ranges: readonly { readonly from: bigint; readonly to: bigint }[],
): RowGroupFilter {
  return ({ minTraceStart, maxTraceStart }) =>
    ranges.some(({ from, to }) => from <= maxTraceStart && to >= minTraceStart);
}

/** For rows that both let pass. */
export function both(a: RowGroupFilter, b: RowGroupFilter): RowGroupFilter {
  return (group, of) => a(group, of) && b(group, of);
}

/**
 * Those of the segment that pass. One at least, as a statement counts its files: where none passes,
 * the smallest.
 */
export function rowGroupsOf(meta: SegmentSummary, filter: RowGroupFilter | undefined): RowGroups {
  if (filter === undefined) return "all";
  const { rowGroups } = meta;
  const wanted = rowGroups.flatMap((group, index) =>
    filter(group, { meta, index }) ? [index] : [],
  );
  if (wanted.length === rowGroups.length) return "all";
  if (wanted.length > 0) return wanted;
  let smallest = 0;
  for (const [i, { rowCount }] of rowGroups.entries()) {
    if (rowCount < rowGroups[smallest]!.rowCount) smallest = i;
  }
  return [smallest];
}
