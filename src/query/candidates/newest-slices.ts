import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { TimeRange } from "../time-range.ts";

/** Traces, or parts of them, that start in a window: `from` included, `before` not. */
export type Slice = {
  /** `undefined`: however early. */
  readonly fromUnixNano: bigint | undefined;
  /** Where the slice before began; `undefined`: however late. */
  readonly beforeUnixNano: bigint | undefined;
};

export type SliceSizes = {
  /** A common match is found in the first slice, which costs little and comes quickly. */
  readonly firstRows: number;
  /** A rare match needs few slices, since each has four times the rows of the one before. */
  readonly maxRows: number;
};

export const FIRST_SLICE_ROWS = 100_000;
const SLICE_GROWTH = 4;

/**
 * Slices that follow each other from the newest traces that start before the end of the range to the
 * oldest. They end between row groups, so that none is read for a part of it where segments do not
 * overlap.
 */
export function* newestSlices(
  segments: readonly SegmentSummary[],
  range: TimeRange | undefined,
  { firstRows, maxRows }: SliceSizes,
): Generator<Slice, void, void> {
  const groups = segments
    .flatMap(({ rowGroups }) => rowGroups)
    .filter(({ minTraceStart }) => range === undefined || minTraceStart <= range.endUnixNano)
    .sort((a, b) => Number(b.minTraceStart - a.minTraceStart));
  let wanted = firstRows;
  let rows = 0;
  let beforeUnixNano: bigint | undefined;
  for (const [i, { rowCount, minTraceStart }] of groups.entries()) {
    rows += rowCount;
    const next = groups[i + 1];
    if (next === undefined) break;
    if (rows < wanted || next.minTraceStart === minTraceStart) continue;
    yield { fromUnixNano: minTraceStart, beforeUnixNano };
    beforeUnixNano = minTraceStart;
    wanted = Math.min(wanted * SLICE_GROWTH, maxRows);
    rows = 0;
  }
  yield { fromUnixNano: undefined, beforeUnixNano };
}

/** The segments that hold parts of traces that start in the slice. */
export function segmentsOfSlice(
  segments: readonly SegmentSummary[],
  { fromUnixNano, beforeUnixNano }: Slice,
): SegmentSummary[] {
  return segments.filter(
    ({ minTraceStart, maxTraceStart }) =>
      (fromUnixNano === undefined || maxTraceStart >= fromUnixNano) &&
      (beforeUnixNano === undefined || minTraceStart < beforeUnixNano),
  );
}
