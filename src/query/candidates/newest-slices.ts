import type { SegmentMeta } from "../../schema/segment-meta.ts";
import type { TimeRange } from "../time-range.ts";

/** The newest traces of some segments: those parts of traces that start at `fromUnixNano` or later. */
export type Slice = {
  /** Newest first; those that hold such parts. */
  readonly segments: readonly SegmentMeta[];
  /** `undefined`: all that there are. */
  readonly fromUnixNano: bigint | undefined;
};

/**
 * A common match is found in the first slice, which costs little and comes quickly; a rare one needs
 * few slices, since each holds four times the rows of the one before.
 */
const FIRST_SLICE_ROWS = 100_000;
const SLICE_GROWTH = 4;

/**
 * Slices of the newest traces that start before the end of the range, each with all of the one
 * before, until the last holds everything. They end between row groups, so that none is read for a
 * part of it where segments do not overlap.
 */
export function* newestSlices(
  segments: readonly SegmentMeta[],
  range: TimeRange | undefined,
): Generator<Slice, void, void> {
  const groups = segments
    .flatMap(({ rowGroups }) => rowGroups)
    .filter(({ minTraceStart }) => range === undefined || minTraceStart <= range.endUnixNano)
    .sort((a, b) => Number(b.minTraceStart - a.minTraceStart));
  const allRows = groups.reduce((sum, { rowCount }) => sum + rowCount, 0);
  let rows = 0;
  let wanted = FIRST_SLICE_ROWS;
  for (const [i, { rowCount, minTraceStart }] of groups.entries()) {
    rows += rowCount;
    const next = groups[i + 1];
    // What is nearly all would only make the last slice come later.
    if (next === undefined || rows > allRows / 2) break;
    if (rows < wanted || next.minTraceStart === minTraceStart) continue;
    wanted = rows * SLICE_GROWTH;
    yield {
      segments: segments.filter(({ maxTraceStart }) => maxTraceStart >= minTraceStart),
      fromUnixNano: minTraceStart,
    };
  }
  yield { segments, fromUnixNano: undefined };
}
