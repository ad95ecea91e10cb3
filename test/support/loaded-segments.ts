import type { SegmentMeta, SegmentSummary } from "../../src/schema/segment-meta.ts";
import type { Catalog } from "../../src/storage/catalog/catalog.ts";

/** `loadKeys` and `loadFilters` for segments that hold all of their description themselves. */
export const WHOLE_SEGMENTS: Pick<Catalog, "loadKeys" | "loadFilters"> = {
  loadKeys: async (segments) => ({
    segments: segments as readonly SegmentMeta[],
    [Symbol.dispose]: () => {},
  }),
  loadFilters: async (segments) => ({
    segments: segments as readonly SegmentMeta[],
    [Symbol.dispose]: () => {},
  }),
};

/** Plain objects with all that the catalog knows of these segments. */
export async function wholeSegments(
  catalog: Pick<Catalog, "loadKeys" | "loadFilters">,
  segments: readonly SegmentSummary[],
): Promise<SegmentMeta[]> {
  using keys = await catalog.loadKeys(segments);
  using filters = await catalog.loadFilters(segments);
  return segments.map((segment, i) => ({
    ...segment,
    rowGroups: segment.rowGroups,
    replaces: segment.replaces,
    keys: keys.segments[i]!.keys,
    traceFilter: filters.segments[i]!.traceFilter,
  }));
}
