import type { SqlValue } from "../../drivers/duckdb/database.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { type CompiledSearch, leafNumbers, type SearchShape } from "../compiled-search.ts";
import type { QueryRun } from "../query-context.ts";
import { timestampSql } from "../segment-sql.ts";
import { segmentInside, type TimeRange } from "../time-range.ts";
import type { TraceKey } from "../trace-key.ts";

/**
 * Traces that match as far as one look tells. The start is that of the trace's parts seen so far;
 * the whole trace may start earlier, so in the end it may come later than it seems here.
 */
export type CandidatePage = {
  readonly found: readonly TraceKey[];
  /** Every trace that no page has named yet comes after this; `undefined` = there are none. */
  readonly boundary: TraceKey | undefined;
};

/** Pages until one has no boundary. Reading on widens the search, at a price: stop when enough. */
export type CandidateSource = AsyncGenerator<CandidatePage, void, void>;

export type CandidateScan = {
  readonly run: QueryRun;
  /** Of segments that the probe has asked it may know that they hold no match. */
  readonly search: CompiledSearch;
  /** Asks the filters of segments before a statement reads them; cheap for those asked before. */
  readonly probe: (segments: readonly SegmentSummary[]) => Promise<void>;
  /** Newest first; those that may hold a match. */
  readonly segments: readonly SegmentSummary[];
  /** All of the tenant's, that may hold further parts of traces. */
  readonly all: readonly SegmentSummary[];
  readonly range: TimeRange | undefined;
  readonly limit: number;
  readonly firstSliceRows: number;
  /** Called with the segments that a statement reads. */
  readonly onRead: (segments: readonly SegmentSummary[]) => void;
};

/** Bounds the rows of a search for very many traces. */
export const MAX_EXTRA_ROWS = 5000;

export type ShapeGroup = {
  readonly segments: SegmentSummary[];
  readonly shape: SearchShape;
  /** One condition for each leaf; `false` where the segments cannot match it. */
  readonly leaves: readonly string[];
  /** No row needs to be asked whether its trace is in the range. */
  readonly inside: boolean;
};

/** Segments that one SELECT can read: same columns, same leaves possible, same need of the range. */
export function groupByShape(
  scan: CandidateScan,
  segments: readonly SegmentSummary[],
): ShapeGroup[] {
  const groups = new Map<string, ShapeGroup>();
  for (const meta of segments) {
    const shape = scan.search.shape(meta);
    const possible = leafNumbers(scan.search).map((leaf) => scan.search.mayMatch(leaf, meta));
    const inside = segmentInside(meta, scan.range);
    const key = JSON.stringify([shape.key, possible, inside]);
    const group = groups.get(key);
    if (group !== undefined) {
      group.segments.push(meta);
      continue;
    }
    const leaves = shape.leaves.map((sql, leaf) => (possible[leaf] ? sql : "false"));
    groups.set(key, { segments: [meta], shape, leaves, inside });
  }
  return [...groups.values()];
}

export function startsBeforeEndSql(range: TimeRange): string {
  return `trace_start <= ${timestampSql(range.endUnixNano)}`;
}

/** Written so that no operand can overflow: the start of a range is at most 2^32 seconds. */
export function endsAfterStartSql(range: TimeRange): string {
  return `trace_duration_ns >= ${range.startUnixNano} - epoch_ns(trace_start)`;
}

/** Of a row that begins with the trace's id and start. */
export function keyOfRow(row: readonly SqlValue[]): TraceKey {
  return { traceId: row[0] as string, startUnixNano: row[1] as bigint };
}
