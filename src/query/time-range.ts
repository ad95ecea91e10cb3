import type { SegmentMeta } from "../schema/segment-meta.ts";
import { maxOf } from "./bigint-bounds.ts";

/** Both ends inclusive, nanoseconds since 1970. */
export type TimeRange = { readonly startUnixNano: bigint; readonly endUnixNano: bigint };

/** Whether some trace of the segment may overlap the range; no range = all of time. */
export function segmentOverlaps(meta: SegmentMeta, range: TimeRange | undefined): boolean {
  if (range === undefined) return true;
  // A span that ends before it starts is an instant, at its start.
  const end = maxOf(meta.maxEnd, meta.maxTraceStart);
  return meta.minTraceStart <= range.endUnixNano && end >= range.startUnixNano;
}

/** Whether every trace of the segment starts in the range, so that no row needs to be asked. */
export function segmentInside(meta: SegmentMeta, range: TimeRange | undefined): boolean {
  if (range === undefined) return true;
  return meta.minTraceStart >= range.startUnixNano && meta.maxTraceStart <= range.endUnixNano;
}
