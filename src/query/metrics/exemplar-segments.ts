import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { endOfSegment } from "../../storage/catalog/time-index.ts";
import type { MetricsGrid } from "./grid.ts";
import { startsInGrid } from "./segments-in-grid.ts";

/** Spans that an exemplar is taken from, so that it may be of one series or another. */
const MIN_ROWS = 2500;

/**
 * Segments, of those whose spans all count, that are enough for so many exemplars, each from another
 * slice of the grid's time. The others need not be asked for trace ids, which are a good part of what
 * is read of many small segments.
 */
export function exemplarSegments(
  segments: readonly SegmentSummary[],
  grid: MetricsGrid,
  exemplarLimit: number,
): SegmentSummary[] {
  const { startUnixNano, stepNanos, count } = grid;
  const length = stepNanos * BigInt(count);
  const sliceOf = (unixNano: bigint): bigint =>
    ((unixNano - startUnixNano) * BigInt(exemplarLimit)) / length;
  const rows = new Map<bigint, number>();
  return segments.filter((meta) => {
    const slice = sliceOf(meta.minTraceStart);
    // Perhaps the only one of a slice that it reaches into; outside of the grid its rows do not count.
    if (!startsInGrid(meta, grid) || slice !== sliceOf(endOfSegment(meta))) return true;
    const before = rows.get(slice) ?? 0;
    rows.set(slice, before + meta.rowCount);
    return before < MIN_ROWS;
  });
}
