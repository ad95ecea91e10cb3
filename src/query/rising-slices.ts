import type { SegmentSummary } from "../schema/segment-meta.ts";

/** So many rows are read first, and then so many times more: few are often enough. */
const FIRST_ROWS = 40_000;
const MORE_ROWS = 8;

/** For whoever reads segments until all that is known to be there is found. In their order. */
export function risingSlices(segments: readonly SegmentSummary[]): SegmentSummary[][] {
  const slices: SegmentSummary[][] = [];
  let left = 0;
  let size = FIRST_ROWS;
  for (const meta of segments) {
    if (left <= 0) {
      slices.push([]);
      left = size;
      size *= MORE_ROWS;
    }
    slices.at(-1)!.push(meta);
    left -= meta.rowCount;
  }
  return slices;
}
