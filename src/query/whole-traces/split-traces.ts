import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { QueryRun } from "../query-context.ts";
import type { TracePart } from "../trace-parts.ts";
import { nearSegments } from "./border-zones.ts";
import { type ResidentSegment, residentSegmentsOf } from "./resident-segments.ts";
import { splitCacheOf } from "./split-cache.ts";
import { SplitSearch } from "./split-search.ts";

/** A trace with parts in two segments or more. */
export type SplitTrace = { readonly traceId: string; readonly parts: readonly TracePart[] };

export type SplitTraces = {
  readonly traces: readonly SplitTrace[];
  /** Segments of which all that matters is at hand. */
  readonly resident: ReadonlyMap<SegmentSummary, ResidentSegment>;
};

/**
 * The traces that have a part in a segment of `slice` and another part in any segment of `all`, each
 * with all its parts. Parts are taken to follow each other within `SLACK_NANOS`: that leads from one
 * part to the next, while parts further away are found only by luck. Rejects with `limited` when
 * more than `maxTraces` traces come into question.
 *
 * The segments of level 0 are held in memory. Of the others only rows near the borders between them
 * are read, and those of long traces; what two of them have in common is remembered. Where traces of
 * the former and long traces have further parts, the segments' trace filters tell.
 */
export async function findSplitTraces(
  run: QueryRun,
  slice: readonly SegmentSummary[],
  all: readonly SegmentSummary[],
  maxTraces: number,
): Promise<SplitTraces> {
  const near = nearSegments(slice, all);
  // One alone has no trace in common with another.
  if (near.length < 2) return { traces: [], resident: new Map() };
  const resident = await residentSegmentsOf(run.context).load(run, near);
  const cache = splitCacheOf(run.context);
  const inSlice = new Set(slice);
  const search = new SplitSearch(run, near, all, { slice: inSlice, cache, resident, maxTraces });
  await search.addResident();
  await search.readZones();
  await search.followParts();
  search.keep();
  const traces = search.known
    .all()
    .filter(({ parts }) => parts.length > 1 && parts.some(({ meta }) => inSlice.has(meta)));
  return { traces, resident };
}
