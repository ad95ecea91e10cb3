import type { SegmentMeta } from "../../schema/segment-meta.ts";
import type { QueryRun } from "../query-context.ts";
import type { TracePart } from "../trace-parts.ts";
import { nearSegments } from "./border-zones.ts";
import { splitCacheOf } from "./split-cache.ts";
import { SplitSearch } from "./split-search.ts";

/** A trace with parts in two segments or more. */
export type SplitTrace = { readonly traceId: string; readonly parts: readonly TracePart[] };

/**
 * The traces that have a part in a segment of `slice` and another part in any segment of `all`, each
 * with all its parts. Parts are taken to follow each other within `SLACK_NANOS`: that leads from one
 * part to the next, while parts further away are found only by luck. Rejects with `limited` when
 * more than `maxTraces` traces come into question.
 *
 * Only rows near the borders between segments are read, and those of long traces; where the latter
 * have further parts, the segments' trace filters tell. What two segments above level 0 have in
 * common is remembered.
 */
export async function findSplitTraces(
  run: QueryRun,
  slice: readonly SegmentMeta[],
  all: readonly SegmentMeta[],
  maxTraces: number,
): Promise<SplitTrace[]> {
  const search = new SplitSearch(run, nearSegments(slice, all), all, {
    cache: splitCacheOf(run.context),
    maxTraces,
  });
  await search.readZones();
  await search.followParts();
  search.keep();
  const inSlice = new Set(slice);
  return search.known
    .all()
    .filter(({ parts }) => parts.length > 1 && parts.some(({ meta }) => inSlice.has(meta)));
}
