import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { PreparedBySegment } from "./prepare-segments.ts";

/** Which spans count in a tags query, as SQL over a segment's columns. */
export type TagFilter = PreparedBySegment & {
  /** Equal keys have equal SQL. */
  shape(meta: SegmentSummary): { readonly key: string; readonly sql: string };
  /** False when no span of the segment can pass. */
  mayMatch(meta: SegmentSummary): boolean;
};

/** Segments that one SELECT can read, with the condition to put on them. */
export type FilteredSegments = { readonly segments: SegmentSummary[]; readonly where: string };

/** Groups by the filter's shape and by what `columnsOf` says the SELECT needs of the segment. */
export function groupForFilter(
  segments: readonly SegmentSummary[],
  filter: TagFilter | undefined,
  columnsOf: (meta: SegmentSummary) => string,
): FilteredSegments[] {
  const groups = new Map<string, FilteredSegments>();
  for (const meta of segments) {
    if (filter !== undefined && !filter.mayMatch(meta)) continue;
    const shape = filter?.shape(meta) ?? { key: "", sql: "true" };
    const key = JSON.stringify([shape.key, columnsOf(meta)]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { segments: [meta], where: shape.sql });
    else group.segments.push(meta);
  }
  return [...groups.values()];
}
