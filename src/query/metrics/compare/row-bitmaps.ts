import type { SegmentSummary } from "../../../schema/segment-meta.ts";
import type { RowBitmap } from "../../../storage/segments/count/row-slots.ts";
import { hidesTraces } from "../../hidden-traces.ts";
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

/** What one of the statements tells of a segment. */
type Bitmap = {
  readonly meta: SegmentSummary;
  readonly count: bigint;
  readonly bits: RowBitmap | undefined;
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
  const byNumber = new Map(rows.segments.map((meta) => [BigInt(numbering.numberOf(meta)), meta]));
  const read = async (
    segments: readonly SegmentSummary[],
    sqlOf: (rows: CompareRows) => string,
  ): Promise<Bitmap[]> => {
    if (segments.length === 0) return [];
    const result = await run.rows(prelude + sqlOf({ ...rows, segments }));
    return result.flatMap(([number, count, bits]) => {
      const meta = byNumber.get(number as bigint);
      if (meta === undefined) return [];
      return [{ meta, count: count as bigint, bits: (bits as RowBitmap | null) ?? undefined }];
    });
  };
  const { inside, source } = rows;
  const isComplete = (meta: SegmentSummary): boolean =>
    inside && source.isComplete === true && !numbering.isOverlaid(meta) && !hidesTraces(meta);

  const found = new Map<SegmentSummary, SegmentRows>();
  const complete = rows.segments.filter(isComplete);
  for (const meta of complete) found.set(meta, { included: undefined, selected: undefined });
  for (const { meta, bits } of await read(complete, selectedRowsSql)) {
    found.set(meta, { included: undefined, selected: bits });
  }
  const partial: SegmentSummary[] = [];
  const others = rows.segments.filter((meta) => !isComplete(meta));
  for (const { meta, count, bits } of await read(others, countedRowsSql)) {
    found.set(meta, { included: undefined, selected: bits });
    if (count !== BigInt(meta.rowCount)) partial.push(meta);
  }
  for (const { meta, bits } of await read(partial, allRowsSql)) {
    found.set(meta, { included: bits, selected: found.get(meta)?.selected });
  }
  return found;
}

/** Number, how many rows there are, and a bit for each: of all rows. */
function allRowsSql(rows: CompareRows): string {
  return bitmapsSql(rows, { select: "", filter: "" });
}

/** The same with bits of the selection alone. */
function countedRowsSql(rows: CompareRows): string {
  const select = `, coalesce(${rows.selection}, FALSE) AS selected`;
  return bitmapsSql(rows, { select, filter: "FILTER (WHERE selected)" });
}

/** Of the selection alone, without segments where it has no rows: the database passes over the others. */
function selectedRowsSql(rows: CompareRows): string {
  const { source, selection } = rows;
  const where = `${source.where} AND ${selection}`;
  return bitmapsSql({ ...rows, source: { ...source, where } }, { select: "", filter: "" });
}

function bitmapsSql(
  { source, segments, inside }: CompareRows,
  { select, filter }: { readonly select: string; readonly filter: string },
): string {
  // Whole bytes, so that the first row is the highest bit of the first byte.
  const last = 8 * Math.ceil(Math.max(...segments.map(({ rowCount }) => rowCount)) / 8) - 1;
  return `SELECT number, count(*), CAST(bitstring_agg(row_no, 0, ${last}) ${filter} AS BLOB)
    FROM (SELECT row_id >> 32 AS number, row_id & 4294967295 AS row_no${select}
      FROM ${source.from(segments, inside)} WHERE ${source.where}) GROUP BY number`;
}
