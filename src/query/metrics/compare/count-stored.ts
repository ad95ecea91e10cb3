import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { SegmentSummary } from "../../../schema/segment-meta.ts";
import type { SegmentCounts } from "../../../storage/segments/count/count-values.ts";
import { OTHERS } from "../../../storage/segments/count/entries.ts";
import { inParallel } from "../../../util/in-parallel.ts";
import type { QueryRun, SegmentToCount } from "../../query-context.ts";
import type { MetricsGrid } from "../grid.ts";
import { labelValue } from "../label-value.ts";
import {
  attributeOfMap,
  type CompareColumn,
  type CompareMap,
  isOfTrace,
} from "./compare-attributes.ts";
import type { CompareRows } from "./counts-sql.ts";
import { segmentRows } from "./row-bitmaps.ts";
import type { ValueCounts } from "./value-counts.ts";

/** Columns of segments of one layout. */
export type ColumnsToCount = {
  readonly rows: CompareRows;
  readonly columns: readonly CompareColumn[];
  readonly maps: readonly CompareMap[];
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
  { rows, columns, maps }: ColumnsToCount,
  counts: ValueCounts,
): Promise<ColumnsToCount[]> {
  const { numbering } = rows.source;
  const { valueCounter } = request.run.context;
  if (numbering === undefined || valueCounter === undefined) return [{ rows, columns, maps }];
  const all: readonly Counted[] = [...columns, ...maps];
  const left = new Map<string, { segments: SegmentSummary[]; rest: readonly Counted[] }>();
  const leave = (meta: SegmentSummary, rest: readonly Counted[]): void => {
    if (rest.length === 0) return;
    const key = rest.map((one) => all.indexOf(one)).join();
    const known = left.get(key);
    if (known === undefined) left.set(key, { segments: [meta], rest });
    else known.segments.push(meta);
  };
  const stored = all.filter((one) => one.stored !== undefined);
  const ofSegment = stored.filter((one) => isMap(one) || !isOfTrace(one.attribute));
  for (const segments of batches(rows.segments, MAX_BATCH_ROWS)) {
    const some = { ...rows, segments };
    const found = await segmentRows(request.run, request.prelude, some, numbering);
    const jobs = [true, false].flatMap((overlaid) => {
      const alike = [...found.keys()].filter((meta) => numbering.isOverlaid(meta) === overlaid);
      return batches(alike, MAX_JOB_ROWS, MAX_JOB_SEGMENTS).map((together) => ({
        segments: together.map((meta) => ({ meta, ...found.get(meta)! })),
        counted: overlaid ? ofSegment : stored,
      }));
    });
    await inParallel(jobs, valueCounter.parallelJobs, async (job) => {
      const { counted } = job;
      await countSegments(request, job, counts, ({ meta }, refused) => {
        leave(
          meta,
          all.filter((one) => refused.has(one) || !counted.includes(one)),
        );
      });
    });
  }
  return Array.from(left.values(), ({ segments, rest }) => ({
    rows: { ...rows, segments },
    columns: rest.filter((one): one is CompareColumn => !isMap(one)),
    maps: rest.filter(isMap),
  }));
}

type Counted = CompareColumn | CompareMap;

function isMap(one: Counted): one is CompareMap {
  return "scope" in one;
}

type CountingWork = {
  readonly segments: readonly SegmentToCount[];
  readonly counted: readonly Counted[];
};

/** Tells `onDone` of each segment what could not be counted. */
async function countSegments(
  { run, grid, valuesOf }: StoredCountRequest,
  { segments, counted }: CountingWork,
  counts: ValueCounts,
  onDone: (segment: SegmentToCount, refused: ReadonlySet<Counted>) => void,
): Promise<void> {
  const columns = counted.map((one) => ({
    name: one.stored!,
    values: isMap(one) ? undefined : valuesOf(one),
  }));
  const byName = new Map(counted.map((one) => [one.stored!, one]));
  for (let rest = segments; rest.length > 0; ) {
    const found = columns.length === 0 ? undefined : await run.countValues(rest, { columns, grid });
    if (found !== undefined) addCounts(found, byName, counts);
    const refused = new Set(found?.refused.map((name) => byName.get(name)!) ?? counted);
    const fileCount = found?.fileCount ?? rest.length;
    for (const segment of rest.slice(0, fileCount)) onDone(segment, refused);
    rest = rest.slice(fileCount);
  }
}

function addCounts(
  { columns, firstBucket, bucketCount }: SegmentCounts,
  byName: ReadonlyMap<string, Counted>,
  counts: ValueCounts,
): void {
  for (const { name, key, values, cells } of columns) {
    const one = byName.get(name)!;
    const { type } = one;
    const attribute = isMap(one) ? attributeOfMap(one, key!) : one.attribute;
    if (attribute === undefined || type === "json") continue;
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
