import type { ScratchColumn, ScratchTable } from "../../drivers/duckdb/scratch-table.ts";
import { PintailError } from "../../errors.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { QueryRun } from "../query-context.ts";
import { readSegments } from "../segment-sql.ts";
import { groupByNarrowColumns, narrowColumnsSql } from "./narrow-columns.ts";
import { perFileSql, rowIdOf } from "./overlay-sql.ts";
import { PartRows } from "./part-rows.ts";
import type { ResidentSegment } from "./resident-segments.ts";
import type { SplitTrace } from "./split-traces.ts";
import { inRangesSql, type StartRange } from "./start-ranges.ts";
import { WholeTraceColumns } from "./whole-trace-columns.ts";

export type WholeTraceRead = {
  /** A segment's place gives its rows' ids. */
  readonly segments: readonly SegmentSummary[];
  readonly partStarts: ReadonlyMap<SegmentSummary, readonly StartRange[]>;
  /** The traces' ids and numbers. */
  readonly ids: ScratchTable;
  readonly split: readonly SplitTrace[];
  /** Those that need not be read. */
  readonly resident: ReadonlyMap<SegmentSummary, ResidentSegment>;
};

type RankedSegment = { readonly meta: SegmentSummary; readonly rank: number };
type RowRange = { readonly from: number; to: number };

/** Takes the parts of one trace after the other, by the rank of their segments. */
export type PartSink = {
  addPart(rows: PartRows, from: number, to: number, traceNo: number, rank: number): void;
  endTrace(): void;
};

/**
 * Reads what a trace's columns follow from, of all parts of the traces, and works them out. Rejects
 * with `limited` when they have more than `maxRows` rows.
 */
export async function readWholeTraces(
  run: QueryRun,
  read: WholeTraceRead,
  maxRows: number,
): Promise<{ traces: ScratchColumn[]; rows: ScratchColumn[] }> {
  const numberOf = new Map(read.segments.map((meta, number) => [meta, number]));
  const ranked = rankedSegments(read.partStarts);
  const columns = new WholeTraceColumns(read.split.length, (rank, rowNumber) =>
    rowIdOf(numberOf.get(ranked[rank]!.meta)!, rowNumber),
  );
  await readParts(run, read, columns, maxRows);
  return columns.finish();
}

/** The same, as far as the rows: given to `sink`. */
export async function readParts(
  run: QueryRun,
  read: Omit<WholeTraceRead, "segments">,
  sink: PartSink,
  maxRows: number,
): Promise<void> {
  const { partStarts, split, resident } = read;
  const ranked = rankedSegments(partStarts);
  const rankOf = new Map(ranked.map(({ meta, rank }) => [meta, rank]));
  const open = ranked.filter(({ meta }) => !resident.has(meta));
  const stored = await readStored(run, open, read, maxRows);
  let rowCount = 0;
  let traceNo = 0;
  await run.forEach(split, ({ traceId, parts }) => {
    const ranks = parts.map(({ meta }) => rankOf.get(meta)!).sort((a, b) => a - b);
    for (const rank of ranks) {
      const segment = resident.get(ranked[rank]!.meta);
      const trace = segment?.traces.get(traceId);
      const range = stored.ranges.get(keyOf(traceNo, rank));
      if (segment !== undefined && trace !== undefined) {
        sink.addPart(segment.rows, trace.firstRow, trace.endRow, traceNo, rank);
        rowCount += trace.endRow - trace.firstRow;
      } else if (range !== undefined) {
        sink.addPart(stored.rows, range.from, range.to, traceNo, rank);
        rowCount += range.to - range.from;
      }
    }
    if (rowCount > maxRows) throw tooManyRows(maxRows);
    sink.endTrace();
    traceNo++;
  });
  run.throwIfOver();
}

/** In the order of their making, so that the answer does not depend on the query's slice. */
function rankedSegments(partStarts: WholeTraceRead["partStarts"]): RankedSegment[] {
  return [...partStarts.keys()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((meta, rank) => ({ meta, rank }));
}

/** The rows of parts that are not resident, and where each part's are among them. */
async function readStored(
  run: QueryRun,
  ranked: readonly RankedSegment[],
  { partStarts, ids }: Pick<WholeTraceRead, "partStarts" | "ids">,
  maxRows: number,
): Promise<{ rows: PartRows; ranges: ReadonlyMap<number, RowRange> }> {
  const rows = new PartRows();
  const ranges = new Map<number, RowRange>();
  if (ranked.length === 0) return { rows, ranges };
  const selects = groupByNarrowColumns(ranked).map((group) => {
    const metas = group.map(({ meta }) => meta);
    const starts = metas.flatMap((meta) => partStarts.get(meta) ?? []);
    return `SELECT ${narrowColumnsSql(metas[0]!)},
        (${perFileSql(group.map(({ rank }) => rank))})::INTEGER AS rank, trace_no
      FROM ${readSegments(run.context, metas)} JOIN ${ids.name} USING (trace_id)
      WHERE ${inRangesSql(starts)}`;
  });
  const sql = `SELECT * FROM (${selects.join(" UNION ALL ")}) ORDER BY trace_no, rank, row_number`;
  await run.chunks(sql, ({ columns, rowCount }) => {
    if (rows.rowCount + rowCount > maxRows) throw tooManyRows(maxRows);
    const [ranks, traceNos] = columns.slice(8) as [number[], number[]];
    for (let row = 0; row < rowCount; row++) {
      const key = keyOf(traceNos[row]!, ranks[row]!);
      const at = rows.rowCount;
      const range = ranges.get(key);
      if (range === undefined) ranges.set(key, { from: at, to: at + 1 });
      else range.to = at + 1;
      rows.addNarrow(columns, row, traceNos[row]!, ranks[row]!);
    }
  });
  return { rows, ranges };
}

/** Traces times segments are far below 2^53. */
function keyOf(traceNo: number, rank: number): number {
  return traceNo * 2 ** 20 + rank;
}

function tooManyRows(maxRows: number): PintailError {
  return new PintailError(
    "limited",
    `traces that lie in several segments have more than ${maxRows} spans`,
  );
}
