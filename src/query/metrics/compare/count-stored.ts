import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { SegmentSummary } from "../../../schema/segment-meta.ts";
import type { SegmentCounts } from "../../../storage/segments/count/count-values.ts";
import { OTHERS } from "../../../storage/segments/count/entries.ts";
import { inParallel } from "../../../util/in-parallel.ts";
import type { QueryRun, SegmentToCount } from "../../query-context.ts";
import type { MetricsGrid } from "../grid.ts";
import { labelValue } from "../label-value.ts";
import { type CompareColumn, isOfTrace } from "./compare-attributes.ts";
import type { CompareRows } from "./counts-sql.ts";
import { segmentRows } from "./row-bitmaps.ts";
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
/** Rows and segments of one answer of the counter, which is read as a whole. */
const MAX_JOB_ROWS = 250_000;
const MAX_JOB_SEGMENTS = 64;

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
  const isOfSegment = ({ attribute }: CompareColumn): boolean => !isOfTrace(attribute);
  const stored = columns.filter((column) => column.stored !== undefined);
  for (const segments of batches(rows.segments, MAX_BATCH_ROWS)) {
    const some = { ...rows, segments };
    const found = await segmentRows(request.run, request.prelude, some, numbering);
    const jobs = [true, false].flatMap((overlaid) => {
      const alike = [...found.keys()].filter((meta) => numbering.isOverlaid(meta) === overlaid);
      const counted = overlaid ? stored.filter(isOfSegment) : stored;
      return batches(alike, MAX_JOB_ROWS, MAX_JOB_SEGMENTS).map((together) => ({
        segments: together.map((meta) => ({ meta, ...found.get(meta)! })),
        columns: counted,
      }));
    });
    await inParallel(jobs, valueCounter.parallelJobs, async (job) => {
      const { columns: counted } = job;
      await countSegments(request, job, counts, ({ meta }, refused) => {
        leave(
          meta,
          columns.filter((column) => refused.has(column) || !counted.includes(column)),
        );
      });
    });
  }
  return Array.from(left.values(), ({ segments, columns }) => ({
    rows: { ...rows, segments },
    columns,
  }));
}

type CountingWork = {
  readonly segments: readonly SegmentToCount[];
  readonly columns: readonly CompareColumn[];
};

/** Tells `onDone` of each segment the columns that could not be counted. */
async function countSegments(
  { run, grid, valuesOf }: StoredCountRequest,
  { segments, columns }: CountingWork,
  counts: ValueCounts,
  onDone: (segment: SegmentToCount, refused: ReadonlySet<CompareColumn>) => void,
): Promise<void> {
  const wanted = columns.map((column) => ({ name: column.stored!, values: valuesOf(column) }));
  const byName = new Map(columns.map((column) => [column.stored!, column]));
  for (let rest = segments; rest.length > 0; ) {
    const found =
      columns.length === 0 ? undefined : await run.countValues(rest, { columns: wanted, grid });
    if (found !== undefined) addCounts(found, byName, counts);
    const refused = new Set(found?.refused.map((name) => byName.get(name)!) ?? columns);
    const fileCount = found?.fileCount ?? rest.length;
    for (const segment of rest.slice(0, fileCount)) onDone(segment, refused);
    rest = rest.slice(fileCount);
  }
}

function addCounts(
  { columns, firstBucket, bucketCount }: SegmentCounts,
  byName: ReadonlyMap<string, CompareColumn>,
  counts: ValueCounts,
): void {
  for (const { name, values, cells } of columns) {
    const { attribute, type } = byName.get(name)!;
    values.forEach((value, i) => {
      const at = 2 * bucketCount * i;
      const own = cells.subarray(at, at + 2 * bucketCount);
      const shown = value === OTHERS ? undefined : labelValue(type, value);
      counts.addCells(attribute, shown, firstBucket, own);
    });
  }
}

/** In their order. */
function batches(
  segments: readonly SegmentSummary[],
  maxRows: number,
  maxSegments = Number.POSITIVE_INFINITY,
): SegmentSummary[][] {
  const batches: SegmentSummary[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const meta of segments) {
    rows += meta.rowCount;
    if (rows > maxRows || batches.at(-1)!.length >= maxSegments) {
      batches.push([]);
      rows = meta.rowCount;
    }
    batches.at(-1)!.push(meta);
  }
  return batches;
}
