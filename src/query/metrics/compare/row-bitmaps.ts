import type { SegmentSummary } from "../../../schema/segment-meta.ts";
import type { RowBitmap } from "../../../storage/segments/count/row-slots.ts";
import type { QueryRun } from "../../query-context.ts";
import type { RowNumbering } from "../row-sources.ts";
import type { CompareRows } from "./counts-sql.ts";

/** Rows of a segment, as they are numbered in its file; there is one at least. */
export type SegmentRows = {
  /** `undefined`: all. */
  readonly included: RowBitmap | undefined;
  /** `undefined`: none. */
  readonly selected: RowBitmap | undefined;
};

/**
 * Which rows of these of the layout's segments the pipeline gives, and which the selection, by
 * segment. Of the grid it says nothing, but rows of traces that lie outside of it may be left out.
 */
export async function segmentRows(
  run: QueryRun,
  prelude: string,
  rows: CompareRows,
  numbering: RowNumbering,
): Promise<Map<SegmentSummary, SegmentRows>> {
  const found = new Map<SegmentSummary, SegmentRows>();
  const byNumber = new Map(rows.segments.map((meta) => [BigInt(numbering.numberOf(meta)), meta]));
  const partial: SegmentSummary[] = [];
  const chosen = bitmapsSql(rows, "FILTER (WHERE selected)");
  for (const [number, count, bits] of await run.rows(prelude + chosen)) {
    const meta = byNumber.get(number as bigint);
    if (meta === undefined) continue;
    const selected = bits === null ? undefined : (bits as Uint8Array);
    found.set(meta, { included: undefined, selected });
    if (count !== BigInt(meta.rowCount)) partial.push(meta);
  }
  if (partial.length === 0) return found;
  const all = bitmapsSql({ ...rows, segments: partial }, "");
  for (const [number, , bits] of await run.rows(prelude + all)) {
    const meta = byNumber.get(number as bigint);
    const { selected } = (meta && found.get(meta)) ?? {};
    if (meta !== undefined) found.set(meta, { included: bits as Uint8Array, selected });
  }
  return found;
}

/** A segment's number, how many of its rows there are, and a bit for each that the filter passes. */
function bitmapsSql({ source, segments, inside, selection }: CompareRows, filter: string): string {
  // Whole bytes, so that the first row is the highest bit of the first byte.
  const last = 8 * Math.ceil(Math.max(...segments.map(({ rowCount }) => rowCount)) / 8) - 1;
  return `SELECT number, count(*), CAST(bitstring_agg(row_no, 0, ${last}) ${filter} AS BLOB)
    FROM (SELECT row_id >> 32 AS number, row_id & 4294967295 AS row_no,
        coalesce(${selection}, FALSE) AS selected
      FROM ${source.from(segments, inside)} WHERE ${source.where}) GROUP BY number`;
}
