import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { type CompiledSearch, leafNumbers } from "../compiled-search.ts";
import { maySatisfy } from "../spanset-tree.ts";

/**
 * Those of the segments that may hold spans for the pipeline, as far as is known of them; none when
 * what there is in all of them cannot satisfy it.
 */
export function possibleSegments(
  search: CompiledSearch,
  segments: readonly SegmentSummary[],
): SegmentSummary[] {
  const { stages, seeds } = search.pipeline;
  const somewhere = leafNumbers(search).map((leaf) =>
    segments.some((meta) => search.mayMatchWhole(leaf, meta)),
  );
  if (!maySatisfy(stages, (leaf) => somewhere[leaf] ?? false)) return [];
  // Bounds on the duration need all parts of a trace.
  if (search.duration !== undefined) return [...segments];
  return segments.filter((meta) => {
    for (const leaf of seeds) if (search.mayMatchWhole(leaf, meta)) return true;
    return false;
  });
}
