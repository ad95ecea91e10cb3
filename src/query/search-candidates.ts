import type { SqlValue } from "../drivers/duckdb/database.ts";
import type { SegmentMeta } from "../schema/segment-meta.ts";
import { type CompiledSearch, leafNumbers } from "./compiled-search.ts";
import { newestSlices, type Slice } from "./newest-slices.ts";
import type { QueryRun } from "./query-context.ts";
import { readSegments, timestampSql } from "./segment-sql.ts";
import { satisfiedSql } from "./spanset-tree.ts";
import { segmentInside, type TimeRange } from "./time-range.ts";
import { compareTraces, earlierOf, type TraceKey } from "./trace-key.ts";

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
  readonly search: CompiledSearch;
  /** Newest first; those that may hold a match. */
  readonly segments: readonly SegmentMeta[];
  readonly range: TimeRange | undefined;
  readonly limit: number;
  /** Called with the segments that a statement reads. */
  readonly onRead: (segments: readonly SegmentMeta[]) => void;
};

export async function* findCandidates(scan: CandidateScan): CandidateSource {
  if (scan.search.tree.type === "leaf" && scan.search.duration === undefined) {
    const done = yield* newestRows(scan);
    if (done) return;
  }
  yield* groupedTraces(scan);
}

/** Later slices are larger: a common match ends the search in the first, a rare one needs few. */
const FIRST_SLICE_SEGMENTS = 1;
const SLICE_GROWTH = 4;
const MIN_ROWS = 500;
const ROWS_PER_TRACE = 25;
/** Bounds the rows of a search for very many traces. */
const MAX_EXTRA_ROWS = 5000;

/**
 * The newest matching rows, without grouping: DuckDB stops reading once it has enough, which no
 * GROUP BY allows. Returns false when too many rows fell on too few traces.
 */
async function* newestRows(scan: CandidateScan): AsyncGenerator<CandidatePage, boolean, void> {
  const rowLimit = Math.max(
    MIN_ROWS,
    Math.min(scan.limit * ROWS_PER_TRACE, scan.limit + MAX_EXTRA_ROWS),
  );
  let cut: TraceKey | undefined;
  let from = 0;
  let size = FIRST_SLICE_SEGMENTS;
  for (;;) {
    const slice = scan.segments.slice(from, from + size);
    from += slice.length;
    size *= SLICE_GROWTH;
    const found: TraceKey[] = [];
    if (slice.length > 0) {
      scan.onRead(slice);
      const rows = await scan.run.rows(newestRowsSql(scan, slice, rowLimit));
      for (const row of rows) found.push(keyOf(row));
      if (rows.length === rowLimit) cut = earlierOf(cut, found.at(-1));
    }
    const left = startOfRest(scan.segments, from);
    yield { found, boundary: earlierOf(cut, left) };
    if (left === undefined) return cut === undefined;
    // What comes after the cut cannot be decided here, and older segments only hold later traces.
    if (cut !== undefined && compareTraces(cut, left) <= 0) return false;
  }
}

function newestRowsSql(
  scan: CandidateScan,
  slice: readonly SegmentMeta[],
  rowLimit: number,
): string {
  const selects = groupByShape(scan, slice).map(({ segments, leaves, inside }) => {
    const conditions = [leaves[0] ?? "true"];
    if (!inside && scan.range !== undefined) {
      conditions.push(startsBeforeEndSql(scan.range), endsAfterStartSql(scan.range));
    }
    return `SELECT trace_id, trace_start FROM ${readSegments(scan.run.context, segments)}
      WHERE ${conditions.map((sql) => `(${sql})`).join(" AND ")}`;
  });
  return `SELECT trace_id, epoch_ns(trace_start) FROM (${selects.join(" UNION ALL ")})
    ORDER BY trace_start DESC, trace_id LIMIT ${rowLimit}`;
}

/**
 * Traces that satisfy the tree within growing slices of the newest, so that leaves may match in
 * different segments. A trace that needs an older part starts there or earlier, so it comes after
 * every trace of the slice.
 */
async function* groupedTraces(scan: CandidateScan): CandidateSource {
  let traceLimit = Math.min(scan.limit * 2, scan.limit + MAX_EXTRA_ROWS) + 16;
  for (const slice of newestSlices(scan.segments, scan.range)) {
    const left = startBefore(slice.fromUnixNano);
    for (;;) {
      let cut: TraceKey | undefined;
      let found: TraceKey[] = [];
      if (slice.segments.length > 0) {
        scan.onRead(slice.segments);
        const rows = await scan.run.rows(groupedTracesSql(scan, slice, traceLimit));
        found = rows.map(keyOf);
        if (rows.length === traceLimit) cut = found.at(-1);
      }
      yield { found, boundary: earlierOf(cut, left) };
      if (cut === undefined || (left !== undefined && compareTraces(left, cut) < 0)) break;
      traceLimit *= 4;
    }
  }
}

function groupedTracesSql(scan: CandidateScan, slice: Slice, traceLimit: number): string {
  const { search, range } = scan;
  const some = leafNumbers(search).map((leaf) => `leaf${leaf}`);
  const selects = groupByShape(scan, slice.segments).map(({ segments, leaves, inside }) => {
    const conditions: string[] = [];
    if (slice.fromUnixNano !== undefined) {
      conditions.push(`trace_start >= ${timestampSql(slice.fromUnixNano)}`);
    }
    // The bounds on a trace's duration need all of its parts, also those without a match.
    if (search.duration === undefined) {
      conditions.push(some.join(" OR "));
      if (!inside && range !== undefined) conditions.push(startsBeforeEndSql(range));
    }
    const flags = leaves.map((sql, leaf) => `(${sql}) AS leaf${leaf}`);
    // Each leaf's text stands once: planning a long one takes longer than running it.
    return `SELECT * FROM (SELECT trace_id, trace_start, trace_duration_ns, ${flags.join(", ")}
      FROM ${readSegments(scan.run.context, segments)})
      WHERE ${conditions.map((sql) => `(${sql})`).join(" AND ") || "true"}`;
  });
  const flags = leafNumbers(search).map((leaf) => `bool_or(leaf${leaf}) AS leaf${leaf}`);
  const having = [satisfiedSql(search.tree, (leaf) => `coalesce(leaf${leaf}, false)`)];
  if (range !== undefined) {
    having.push(`trace_end >= ${range.startUnixNano}`, `trace_begin <= ${range.endUnixNano}`);
  }
  const { minNanos, maxNanos } = search.duration ?? {};
  if (minNanos !== undefined) having.push(`trace_end - trace_begin >= ${minNanos}`);
  if (maxNanos !== undefined) having.push(`trace_end - trace_begin <= ${maxNanos}`);
  return `SELECT trace_id, trace_begin FROM (
      SELECT trace_id, epoch_ns(min(trace_start)) AS trace_begin,
        max(epoch_ns(trace_start)::HUGEINT + trace_duration_ns) AS trace_end, ${flags.join(", ")}
      FROM (${selects.join(" UNION ALL ")}) GROUP BY trace_id)
    WHERE ${having.join(" AND ")} ORDER BY trace_begin DESC, trace_id LIMIT ${traceLimit}`;
}

type ShapeGroup = {
  readonly segments: SegmentMeta[];
  /** One condition for each leaf; `false` where the segments cannot match it. */
  readonly leaves: readonly string[];
  readonly inside: boolean;
};

/** Segments that one SELECT can read: same columns, same leaves possible, same need of the range. */
function groupByShape(scan: CandidateScan, segments: readonly SegmentMeta[]): ShapeGroup[] {
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
    groups.set(key, { segments: [meta], leaves, inside });
  }
  return [...groups.values()];
}

function startsBeforeEndSql(range: TimeRange): string {
  return `trace_start <= ${timestampSql(range.endUnixNano)}`;
}

/** Written so that no operand can overflow: the start of a range is at most 2^32 seconds. */
function endsAfterStartSql(range: TimeRange): string {
  return `trace_duration_ns >= ${range.startUnixNano} - epoch_ns(trace_start)`;
}

function keyOf(row: readonly SqlValue[]): TraceKey {
  return { traceId: row[0] as string, startUnixNano: row[1] as bigint };
}

/** Before every trace that starts no later than the segments from `from` on. */
function startOfRest(segments: readonly SegmentMeta[], from: number): TraceKey | undefined {
  const next = segments[from];
  // The empty id sorts before all others of the same start.
  return next === undefined ? undefined : { traceId: "", startUnixNano: next.maxTraceStart };
}

/** The same for parts that start before that time; `undefined` = there are no others. */
function startBefore(unixNano: bigint | undefined): TraceKey | undefined {
  return unixNano === undefined ? undefined : { traceId: "", startUnixNano: unixNano - 1n };
}
