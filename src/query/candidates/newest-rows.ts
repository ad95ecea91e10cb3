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
import { SliceGrowth, type SliceSizes } from "./slice-growth.ts";

/** Of those asked whether they hold a match at all. */
const ASKED_GROWTH = 4;
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
  const growth = new SliceGrowth(scan.limit, sliceSizes(scan));
  const seen = new Map<string, TraceKey>();
  /** Of all rows, by the last slice. */
  let matching = 1;
  for (;;) {
    const slice = await pieces.take(growth.next);
    const sliceRows = rowsOf(slice);
    growth.addRows(sliceRows);
    const found: TraceKey[] = [];
    if (slice.length > 0) {
      scan.onRead(metasOf(slice));
      const isRare = matching * sliceRows < rowLimit;
      const rows = await scan.run.rows(newestRowsSql(scan, slice, { rowLimit, isRare }));
      matching = rows.length / sliceRows;
      for (const row of rows) found.push(keyOfRow(row));
      if (rows.length === rowLimit) cut = earlierOf(cut, found.at(-1));
    }
    const left = startOfPiece(pieces.next);
    const boundary = earlierOf(cut, left);
    for (const key of found) addLatest(seen, key);
    growth.setFound(countBefore(seen.values(), boundary));
    yield { found, boundary };
    if (left === undefined) return cut === undefined;
    // What comes after the cut cannot be decided here, and older segments only hold later traces.
    if (cut !== undefined && compareTraces(cut, left) <= 0) return false;
  }
}

/** The first slice is one piece: what is common ends the search there. */
function sliceSizes({ firstSliceRows }: CandidateScan): SliceSizes {
  const maxRows = Number.MAX_SAFE_INTEGER;
  return { firstRows: 1, minRows: 1, blindRows: 2 * firstSliceRows, maxRows };
}

function addLatest(seen: Map<string, TraceKey>, key: TraceKey): void {
  const known = seen.get(key.traceId);
  if (known === undefined || compareTraces(key, known) < 0) seen.set(key.traceId, key);
}

function countBefore(keys: Iterable<TraceKey>, boundary: TraceKey | undefined): number {
  let count = 0;
  for (const key of keys) {
    if (boundary === undefined || compareTraces(key, boundary) <= 0) count++;
  }
  return count;
}

type NewestRows = {
  readonly rowLimit: number;
  /** Fewer rows than that are expected. */
  readonly isRare: boolean;
};

function newestRowsSql(
  scan: CandidateScan,
  slice: readonly Piece[],
  { rowLimit, isRare }: NewestRows,
): string {
  const wanted = new Map<SegmentSummary, Set<number>>();
  for (const piece of slice) {
    if (!isPart(piece)) continue;
    const { meta, rowGroup } = piece;
    wanted.set(meta, (wanted.get(meta) ?? new Set()).add(rowGroup));
  }
  const latest = scan.range?.endUnixNano;
  const selects = groupByShape(scan, metasOf(slice)).map(({ segments, leaves, inside }) => {
    const conditions = [leaves[0] ?? "true"];
    if (!inside && scan.range !== undefined) {
      conditions.push(startsBeforeEndSql(scan.range), endsAfterStartSql(scan.range));
    }
    const rowGroups: RowGroupFilter = ({ minTraceStart }, { meta, index }) =>
      wanted.get(meta)?.has(index) !== false && (latest === undefined || minTraceStart <= latest);
    return `SELECT trace_id, trace_start FROM ${readSegments(scan.run.context, segments, { rowGroups })}
      WHERE ${conditions.map((sql) => `(${sql})`).join(" AND ")}`;
  });
  // DuckDB reads a column that it orders by of every row, to pass over what comes after those it has.
  // That costs a rare match half of its time and leaves nothing out. It does so with no expression.
  const start = isRare ? "epoch_ns(trace_start)" : "trace_start";
  return `SELECT trace_id, epoch_ns(trace_start) FROM (${selects.join(" UNION ALL ")})
    ORDER BY ${start} DESC, trace_id LIMIT ${rowLimit}`;
}

/** What is read at once: a local segment, or a row group of one that has to be fetched. */
type Piece = SegmentSummary | SegmentPart;

type SegmentPart = Pick<SegmentSummary, "rowCount" | "maxTraceStart"> & {
  readonly meta: SegmentSummary;
  readonly rowGroup: number;
};

function isPart(piece: Piece): piece is SegmentPart {
  return "rowGroup" in piece;
}

function metaOf(piece: Piece): SegmentSummary {
  return isPart(piece) ? piece.meta : piece;
}

/** Each once. */
function metasOf(pieces: readonly Piece[]): readonly SegmentSummary[] {
  return areWhole(pieces) ? pieces : [...new Set(pieces.map(metaOf))];
}

function areWhole(pieces: readonly Piece[]): pieces is readonly SegmentSummary[] {
  return !pieces.some(isPart);
}

function rowsOf(pieces: readonly Piece[]): number {
  let rows = 0;
  for (const { rowCount } of pieces) rows += rowCount;
  return rows;
}

/** How many of the first pieces from `at` on it takes to have so many rows, or all there are. */
function countFor(pieces: readonly Piece[], at: number, wantedRows: number): number {
  let end = at;
  for (let rows = 0; end < pieces.length && rows < wantedRows; end++) rows += pieces[end]!.rowCount;
  return end - at;
}

/** Pieces that may hold a match, newest first. */
class Pieces {
  readonly #scan: CandidateScan;
  readonly #pieces: readonly Piece[];
  /** Those before this one were asked for. */
  #at = 0;
  /** Asked for, and neither ruled out nor taken. */
  #open: Piece[] = [];

  constructor(scan: CandidateScan) {
    this.#scan = scan;
    this.#pieces = piecesOf(scan);
  }

  /** The one that comes next; undefined when there is none any more. */
  get next(): Piece | undefined {
    return this.#open[0] ?? this.#pieces[this.#at];
  }

  /**
   * The next ones that have so many rows together. No more are asked about than it takes to find
   * some: a common value is in the first ones, and after those it may be nobody reads on.
   */
  async take(wantedRows: number): Promise<Piece[]> {
    const { search, probe } = this.#scan;
    let openRows = rowsOf(this.#open);
    let askedRows = wantedRows;
    while (openRows < wantedRows) {
      const count = countFor(this.#pieces, this.#at, askedRows);
      if (count === 0) break;
      const asked = this.#pieces.slice(this.#at, this.#at + count);
      await probe(metasOf(asked));
      this.#at += count;
      askedRows = Math.max(askedRows, ASKED_GROWTH * rowsOf(asked));
      for (const piece of asked) {
        if (!search.mayMatch(0, metaOf(piece))) continue;
        openRows += piece.rowCount;
        this.#open.push(piece);
      }
    }
    return this.#open.splice(0, countFor(this.#open, 0, wantedRows));
  }
}

/** Newest first. */
function piecesOf({ segments, run }: CandidateScan): readonly Piece[] {
  if (!segments.some((meta) => isRemote(run.context, meta))) return segments;
  const pieces = segments.flatMap((meta): Piece[] => {
    if (!isRemote(run.context, meta)) return [meta];
    return meta.rowGroups.map(({ rowCount, maxTraceStart }, rowGroup) => {
      return { meta, rowGroup, rowCount, maxTraceStart };
    });
  });
  return pieces.sort((a, b) =>
    a.maxTraceStart === b.maxTraceStart ? 0 : a.maxTraceStart > b.maxTraceStart ? -1 : 1,
  );
}

/** Before every trace that starts no later than the piece's. */
function startOfPiece(next: Piece | undefined): TraceKey | undefined {
  // The empty id sorts before all others of the same start.
  return next === undefined ? undefined : { traceId: "", startUnixNano: next.maxTraceStart };
}
