import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { SegmentSummary } from "../../../schema/segment-meta.ts";
import type { SegmentCounts } from "../../../storage/segments/count/count-values.ts";
import { OTHERS } from "../../../storage/segments/count/entries.ts";
import type { QueryRun } from "../../query-context.ts";
import type { MetricsGrid } from "../grid.ts";
import { labelValue } from "../label-value.ts";
import { type CompareColumn, isOfTrace } from "./compare-attributes.ts";
import type { CompareRows } from "./counts-sql.ts";
import { type SegmentRows, segmentRows } from "./row-bitmaps.ts";
import type { ValueCounts } from "./value-counts.ts";

/** Columns of segments of one layout. */
export type ColumnsToCount = {
  readonly rows: CompareRows;
  readonly columns: readonly CompareColumn[];
};

export type StoredCountRequest = {
  readonly run: QueryRun;
  readonly grid: MetricsGrid;
  readonly prelude: string;
  /** Those to be told apart; `undefined`: all. */
  readonly valuesOf: (column: CompareColumn) => readonly SqlValue[] | undefined;
};

/** Rows of one statement: each takes two bits. */
const MAX_BATCH_ROWS = 8_000_000;

/**
 * Counts what can be counted from the pages of the segments' files, some ten times cheaper than by
 * grouping rows: the database tells only which rows these are. Returns what is left.
 */
export async function countStored(
  request: StoredCountRequest,
  { rows, columns }: ColumnsToCount,
  counts: ValueCounts,
): Promise<ColumnsToCount[]> {
  const { numbering } = rows.source;
  const { valueCounter } = request.run.context;
  if (numbering === undefined || valueCounter === undefined) return [{ rows, columns }];
  const left = new Map<string, { segments: SegmentSummary[]; columns: readonly CompareColumn[] }>();
  const leave = (meta: SegmentSummary, some: readonly CompareColumn[]): void => {
    if (some.length === 0) return;
    const key = some.map(({ attribute, type }) => `${type} ${attribute}`).join("\n");
    const known = left.get(key);
    if (known === undefined) left.set(key, { segments: [meta], columns: some });
    else known.segments.push(meta);
  };
  for (const segments of batches(rows.segments)) {
    const some = { ...rows, segments };
    const found = [...(await segmentRows(request.run, request.prelude, some, numbering))];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let item = found[next++]; item !== undefined; item = found[next++]) {
        const [meta, which] = item;
        const overlaid = numbering.isOverlaid(meta);
        const counted = columns.filter(
          (column) => column.stored !== undefined && !(overlaid && isOfTrace(column.attribute)),
        );
        const refused = await countSegment(request, meta, which, counted, counts);
        leave(
          meta,
          columns.filter((column) => refused.has(column) || !counted.includes(column)),
        );
      }
    };
    await Promise.all(Array.from({ length: valueCounter.parallelJobs }, work));
  }
  return Array.from(left.values(), ({ segments, columns }) => ({
    rows: { ...rows, segments },
    columns,
  }));
}

/** Returns the columns that could not be counted. */
async function countSegment(
  { run, grid, valuesOf }: StoredCountRequest,
  meta: SegmentSummary,
  { included, selected }: SegmentRows,
  columns: readonly CompareColumn[],
  counts: ValueCounts,
): Promise<ReadonlySet<CompareColumn>> {
  if (columns.length === 0) return new Set();
  const wanted = columns.map((column) => ({ name: column.stored!, values: valuesOf(column) }));
  const found = await run.countValues(meta, { columns: wanted, grid, included, selected });
  if (found === undefined) return new Set(columns);
  const byName = new Map(columns.map((column) => [column.stored!, column]));
  addCounts(found, byName, counts);
  return new Set(found.refused.map((name) => byName.get(name)!));
}

function addCounts(
  { columns, firstBucket, bucketCount }: SegmentCounts,
  byName: ReadonlyMap<string, CompareColumn>,
  counts: ValueCounts,
): void {
  for (const { name, values, cells } of columns) {
    const { attribute, type } = byName.get(name)!;
    values.forEach((value, i) => {
      for (let b = 0, at = 2 * bucketCount * i; b < bucketCount; b++, at += 2) {
        const each = { baseline: cells[at]!, selection: cells[at + 1]! };
        if (each.baseline === 0 && each.selection === 0) continue;
        const bucket = firstBucket + b;
        counts.addTotal(attribute, bucket, each);
        if (value === OTHERS) continue;
        counts.addValue(attribute, labelValue(type, value), bucket, each);
      }
    });
  }
}

function batches(segments: readonly SegmentSummary[]): SegmentSummary[][] {
  const batches: SegmentSummary[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const meta of segments) {
    rows += meta.rowCount;
    if (rows > MAX_BATCH_ROWS) {
      batches.push([]);
      rows = meta.rowCount;
    }
    batches.at(-1)!.push(meta);
  }
  return batches;
}
