import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { PreparedBySegment } from "./prepare-segments.ts";
import type { FilterServices } from "./segment-services.ts";

/** Which spans count in a tags query, as SQL over a segment's columns. */
export type TagFilter = PreparedBySegment & {
  /** Undefined: spans of any service may pass. */
  readonly services: FilterServices | undefined;
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
  const groups: FilteredSegments[] = [];
  const byShape = new Map<string, Map<string, FilteredSegments>>();
  for (const meta of segments) {
    if (filter !== undefined && !filter.mayMatch(meta)) continue;
    const { key, sql } = filter?.shape(meta) ?? ALL;
    const byColumns = byShape.get(key) ?? new Map<string, FilteredSegments>();
    const columns = columnsOf(meta);
    const group = byColumns.get(columns);
    if (group !== undefined) {
      group.segments.push(meta);
      continue;
    }
    const first = { segments: [meta], where: sql };
    byShape.set(key, byColumns.set(columns, first));
    groups.push(first);
  }
  return groups;
}

const ALL = { key: "", sql: "true" };
