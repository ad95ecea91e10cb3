import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { QueryRun } from "./query-context.ts";
import { readSegments } from "./segment-sql.ts";

/** Whether a segment holds some span twice, once that was found out: its file never changes. */
const known = new WeakMap<SegmentSummary, boolean>();

/** Bounds the groups of one statement: 36 bytes and more a row. */
const MAX_ROWS = 2_000_000;

/**
 * Those of the segments that hold a span (trace, id, kind) more than once, as a sender's retry
 * leaves it. Cost: 70 ns a row the first time that a segment is asked about, then nothing.
 */
export async function segmentsWithCopies(
  run: QueryRun,
  segments: readonly SegmentSummary[],
): Promise<ReadonlySet<SegmentSummary>> {
  const open = segments.filter((meta) => !known.has(meta));
  for (let at = 0; at < open.length; ) {
    const batch: SegmentSummary[] = [];
    for (let rows = 0; at < open.length && rows < MAX_ROWS; at++) {
      batch.push(open[at]!);
      rows += open[at]!.rowCount;
    }
    await findOut(run, batch);
  }
  return new Set(segments.filter((meta) => known.get(meta)));
}

async function findOut(run: QueryRun, segments: readonly SegmentSummary[]): Promise<void> {
  const rows = await run.rows(
    `SELECT DISTINCT file FROM (SELECT file_index AS file FROM ${readSegments(run.context, segments)}
      GROUP BY file_index, trace_id, span_id, kind HAVING count(*) > 1)`,
  );
  const found = new Set(rows.map(([file]) => Number(file)));
  for (const [i, meta] of segments.entries()) known.set(meta, found.has(i));
}
