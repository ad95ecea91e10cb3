import type { RowGroupMeta, SegmentSummary } from "../../schema/segment-meta.ts";
import { timestampSql } from "../segment-sql.ts";
import type { TimeRange } from "../time-range.ts";
import type { SliceGrowth } from "./slice-growth.ts";

/** Traces, or parts of them, that start in a window: `from` included, `before` not. */
export type Slice = {
  /** `undefined`: however early. */
  readonly fromUnixNano: bigint | undefined;
  /** Where the slice before began; `undefined`: however late. */
  readonly beforeUnixNano: bigint | undefined;
};

export const FIRST_SLICE_ROWS = 100_000;

/**
 * Slices that follow each other from the newest traces that start before the end of the range to the
 * oldest. They end between row groups, so that none is read for a part of it where segments do not
 * overlap. `growth` is asked for their sizes one by one, and told them.
 */
export function* newestSlices(
  segments: readonly SegmentSummary[],
  range: TimeRange | undefined,
  growth: SliceGrowth,
): Generator<Slice, void, void> {
  const groups = segments
    .flatMap(({ rowGroups }) => rowGroups)
    .filter(({ minTraceStart }) => range === undefined || minTraceStart <= range.endUnixNano)
    .sort(newestFirst);
  let wanted = growth.next;
  let rows = 0;
  let beforeUnixNano: bigint | undefined;
  for (let i = 0; i < groups.length; i++) {
    const { rowCount, minTraceStart } = groups[i]!;
    rows += rowCount;
    const next = groups[i + 1];
    if (next === undefined) break;
    if (rows < wanted || next.minTraceStart === minTraceStart) continue;
    growth.addRows(rows);
    yield { fromUnixNano: minTraceStart, beforeUnixNano };
    beforeUnixNano = minTraceStart;
    wanted = growth.next;
    rows = 0;
  }
  yield { fromUnixNano: undefined, beforeUnixNano };
}

/** Conditions on a row of a whole trace. */
export function startsInSliceSql({ fromUnixNano, beforeUnixNano }: Slice): readonly string[] {
  const conditions: string[] = [];
  if (fromUnixNano !== undefined) conditions.push(`trace_start >= ${timestampSql(fromUnixNano)}`);
  if (beforeUnixNano !== undefined)
    conditions.push(`trace_start < ${timestampSql(beforeUnixNano)}`);
  return conditions;
}

/** Makes no number of 64 bits for each pair that is compared. */
function newestFirst(a: RowGroupMeta, b: RowGroupMeta): number {
  if (a.minTraceStart === b.minTraceStart) return 0;
  return a.minTraceStart > b.minTraceStart ? -1 : 1;
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
