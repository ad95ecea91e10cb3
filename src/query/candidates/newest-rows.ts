import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { RowGroupFilter } from "../remote/row-groups.ts";
import { isRemote, readSegments } from "../segment-sql.ts";
import { compareTraces, earlierOf, type TraceKey } from "../trace-key.ts";
import {
  type CandidatePage,
  type CandidateScan,
  endsAfterStartSql,
  groupByShape,
  keyOfRow,
  MAX_EXTRA_ROWS,
  startsBeforeEndSql,
} from "./candidate-scan.ts";

/** Later slices are larger: a common match ends the search in the first, a rare one needs few. */
const FIRST_SLICE_PIECES = 1;
const SLICE_GROWTH = 4;
const MIN_ROWS = 500;
const ROWS_PER_TRACE = 25;
/**
 * The newest matching rows, without grouping: DuckDB stops reading once it has enough, which no
 * GROUP BY allows. Returns false when too many rows fell on too few traces.
 */
export async function* newestRows(
  scan: CandidateScan,
): AsyncGenerator<CandidatePage, boolean, void> {
  const rowLimit = Math.max(
    MIN_ROWS,
    Math.min(scan.limit * ROWS_PER_TRACE, scan.limit + MAX_EXTRA_ROWS),
  );
  const pieces = new Pieces(scan);
  let cut: TraceKey | undefined;
  let size = FIRST_SLICE_PIECES;
  for (;;) {
    const slice = await pieces.take(size);
    size *= SLICE_GROWTH;
    const found: TraceKey[] = [];
    if (slice.length > 0) {
      scan.onRead([...new Set(slice.map(({ meta }) => meta))]);
      const rows = await scan.run.rows(newestRowsSql(scan, slice, rowLimit));
      for (const row of rows) found.push(keyOfRow(row));
      if (rows.length === rowLimit) cut = earlierOf(cut, found.at(-1));
    }
    const left = startOfPiece(pieces.next);
    yield { found, boundary: earlierOf(cut, left) };
    if (left === undefined) return cut === undefined;
    // What comes after the cut cannot be decided here, and older segments only hold later traces.
    if (cut !== undefined && compareTraces(cut, left) <= 0) return false;
  }
}

function newestRowsSql(scan: CandidateScan, slice: readonly Piece[], rowLimit: number): string {
  const wanted = new Map<SegmentSummary, Set<number>>();
  for (const { meta, rowGroup } of slice) {
    if (rowGroup === undefined) continue;
    wanted.set(meta, (wanted.get(meta) ?? new Set()).add(rowGroup));
  }
  const latest = scan.range?.endUnixNano;
  const metas = [...new Set(slice.map(({ meta }) => meta))];
  const selects = groupByShape(scan, metas).map(({ segments, leaves, inside }) => {
    const conditions = [leaves[0] ?? "true"];
    if (!inside && scan.range !== undefined) {
      conditions.push(startsBeforeEndSql(scan.range), endsAfterStartSql(scan.range));
    }
    const rowGroups: RowGroupFilter = ({ minTraceStart }, { meta, index }) =>
      wanted.get(meta)?.has(index) !== false && (latest === undefined || minTraceStart <= latest);
    return `SELECT trace_id, trace_start FROM ${readSegments(scan.run.context, segments, { rowGroups })}
      WHERE ${conditions.map((sql) => `(${sql})`).join(" AND ")}`;
  });
  return `SELECT trace_id, epoch_ns(trace_start) FROM (${selects.join(" UNION ALL ")})
    ORDER BY trace_start DESC, trace_id LIMIT ${rowLimit}`;
}

/** What is read at once: a local segment, or a row group of one that has to be fetched. */
type Piece = {
  readonly meta: SegmentSummary;
  /** `undefined`: all. */
  readonly rowGroup: number | undefined;
  readonly maxTraceStart: bigint;
};

/** Pieces that may hold a match, newest first. */
class Pieces {
  readonly #scan: CandidateScan;
  readonly #pieces: readonly Piece[];
  /** Those before this one were asked for. */
  #at = 0;
  /** Whether there are several of a segment. */
  readonly #hasParts: boolean;
  /** Asked for, and neither ruled out nor taken. */
  #open: Piece[] = [];

  constructor(scan: CandidateScan) {
    this.#scan = scan;
    this.#pieces = piecesOf(scan);
    this.#hasParts = this.#pieces.length > scan.segments.length;
  }

  /** The one that comes next; undefined when there is none any more. */
  get next(): Piece | undefined {
    return this.#open[0] ?? this.#pieces[this.#at];
  }

  /**
   * The next ones. No more are asked about than it takes to find some: a common value is in the first
   * ones, and after those it may be nobody reads on.
   */
  async take(count: number): Promise<Piece[]> {
    const { search, probe } = this.#scan;
    for (let size = count; this.#open.length < count; size *= SLICE_GROWTH) {
      const asked = this.#pieces.slice(this.#at, this.#at + size);
      if (asked.length === 0) break;
      await probe(this.#metasOf(asked));
      this.#at += asked.length;
      this.#open.push(...asked.filter(({ meta }) => search.mayMatch(0, meta)));
    }
    return this.#open.splice(0, count);
  }

  #metasOf(pieces: readonly Piece[]): SegmentSummary[] {
    const metas = pieces.map(({ meta }) => meta);
    return this.#hasParts ? [...new Set(metas)] : metas;
  }
}

/** Newest first. */
function piecesOf({ segments, run }: CandidateScan): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const meta of segments) {
    if (!isRemote(run.context, meta)) {
      pieces.push({ meta, rowGroup: undefined, maxTraceStart: meta.maxTraceStart });
      continue;
    }
    for (const [rowGroup, { maxTraceStart }] of meta.rowGroups.entries()) {
      pieces.push({ meta, rowGroup, maxTraceStart });
    }
  }
  if (pieces.length === segments.length) return pieces;
  return pieces.sort((a, b) =>
    a.maxTraceStart === b.maxTraceStart ? 0 : a.maxTraceStart > b.maxTraceStart ? -1 : 1,
  );
}

/** Before every trace that starts no later than the piece's. */
function startOfPiece(next: Piece | undefined): TraceKey | undefined {
  // The empty id sorts before all others of the same start.
  return next === undefined ? undefined : { traceId: "", startUnixNano: next.maxTraceStart };
}
