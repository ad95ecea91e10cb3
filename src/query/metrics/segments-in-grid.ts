import { TIME_MAX_UNIX_NANO } from "../../schema/columns.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { endOfSegment, segmentsIn } from "../../storage/catalog/time-index.ts";
import { minOf } from "../bigint-bounds.ts";
import { timestampSql } from "../segment-sql.ts";
import { endOfGrid, type MetricsGrid } from "./grid.ts";

/** The segments of which some span may start in the grid, in their order. */
export function segmentsInGrid(
  segments: readonly SegmentSummary[],
  grid: MetricsGrid,
): readonly SegmentSummary[] {
  const startUnixNano = grid.startUnixNano + 1n;
  return segmentsIn(segments, { startUnixNano, endUnixNano: endOfGrid(grid) });
}

/** Whether all spans of the segment start in the grid, as far as its description tells. */
export function startsInGrid(meta: SegmentSummary, grid: MetricsGrid): boolean {
  return meta.minTraceStart > grid.startUnixNano && endOfSegment(meta) <= endOfGrid(grid);
}

/** No span of the segment is longer, as far as its description tells; undefined: one may be. */
export function longestSpanNanos(meta: SegmentSummary): bigint | undefined {
  // Where times are clamped, durations are not those between them.
  return meta.maxEnd < TIME_MAX_UNIX_NANO ? meta.maxEnd - meta.minTraceStart : undefined;
}

/** Rows that start in the grid; the database skips row groups by it. */
export function startInGridSql(grid: MetricsGrid): string {
  const first = timestampSql(minOf(grid.startUnixNano, TIME_MAX_UNIX_NANO));
  const last = timestampSql(minOf(endOfGrid(grid), TIME_MAX_UNIX_NANO));
  return `start_time > ${first} AND start_time <= ${last}`;
}

/**
 * Rows of traces of which some span may start in the grid. Written so that no operand can overflow:
 * a trace begins at 0 or later.
 */
export function overlapsGridSql(grid: MetricsGrid): string {
  const last = timestampSql(minOf(endOfGrid(grid), TIME_MAX_UNIX_NANO));
  const first = minOf(grid.startUnixNano, TIME_MAX_UNIX_NANO);
  return `trace_start <= ${last} AND trace_duration_ns >= ${first} - epoch_ns(trace_start)`;
}
