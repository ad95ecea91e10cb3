import type { SegmentSummary } from "../schema/segment-meta.ts";
import { segmentsIn } from "../storage/catalog/time-index.ts";

/** Both ends inclusive, nanoseconds since 1970. */
export type TimeRange = { readonly startUnixNano: bigint; readonly endUnixNano: bigint };

/** The segments of which some trace may overlap the range, in their order; no range = all of time. */
export function segmentsOverlapping(
  segments: readonly SegmentSummary[],
  range: TimeRange | undefined,
): readonly SegmentSummary[] {
  return range === undefined ? segments : segmentsIn(segments, range);
}

/** Whether every trace of the segment starts in the range, so that no row needs to be asked. */
export function segmentInside(meta: SegmentSummary, range: TimeRange | undefined): boolean {
  if (range === undefined) return true;
  return meta.minTraceStart >= range.startUnixNano && meta.maxTraceStart <= range.endUnixNano;
}
