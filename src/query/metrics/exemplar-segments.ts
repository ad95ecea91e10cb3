import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { endOfSegment } from "../../storage/catalog/time-index.ts";
import type { ExemplarPicker } from "./exemplar-picker.ts";
import { bucketAt, type MetricsGrid } from "./grid.ts";
import type { RowSource } from "./row-sources.ts";

/** Rows for one statement. */
export type StatementPart = {
  readonly sources: readonly RowSource[];
  /** Whether exemplars are to be taken from rows of the segment. */
  hasExemplar(meta: SegmentSummary): boolean;
};

/** Spans that an exemplar is taken from, so that it may be of one series or another. */
const MIN_ROWS = 2500;
/** With fewer segments that need not be asked, one statement more takes longer than their trace ids. */
const MIN_SAVED_SEGMENTS = 30;

/**
 * The sources, in one or two parts, which may be read at the same time. Trace ids are a good part of
 * what is read of many small segments, and few are needed: so only a few segments of each part of
 * the time are asked for exemplars. `isSplit`: into many series, each of which has an exemplar for a
 * bucket.
 */
export function statementParts(
  sources: readonly RowSource[],
  grid: MetricsGrid,
  picker: ExemplarPicker | undefined,
  isSplit: boolean,
): readonly StatementPart[] {
  if (picker === undefined) return [{ sources, hasExemplar: () => false }];
  const hasExemplar = (meta: SegmentSummary): boolean =>
    picker.lacksWithin(...bucketsOf(meta, grid));
  const wanted = sources.flatMap(({ segments }) => segments.filter(hasExemplar));
  const partOf = (bucket: number) => (isSplit ? picker.sliceOf(bucket) : picker.partOf(bucket));
  const first = new Set(enoughOf(wanted, grid, partOf));
  const saved = wanted.length - first.size;
  if (saved < MIN_SAVED_SEGMENTS || sources.some(({ isStored }) => !isStored)) {
    return [{ sources, hasExemplar }];
  }
  return [
    { sources: withSegments(sources, (meta) => first.has(meta)), hasExemplar: () => true },
    { sources: withSegments(sources, (meta) => !first.has(meta)), hasExemplar: () => false },
  ];
}

/**
 * What is to be asked for exemplars alone once all parts were read: a filter may leave nothing of the
 * few segments of the first part. Where a slice has points, but no exemplar, those segments of the
 * other parts that one of its points may come from.
 */
export function exemplarPart(
  [, ...others]: readonly StatementPart[],
  grid: MetricsGrid,
  picker: ExemplarPicker | undefined,
): StatementPart | undefined {
  const lacking = others.length === 0 ? [] : (picker?.lackingBuckets() ?? []);
  if (lacking.length === 0) return undefined;
  const mayGive = (meta: SegmentSummary): boolean => {
    const [from, to] = bucketsOf(meta, grid);
    return lacking.some((bucket) => bucket >= from && bucket <= to);
  };
  const sources = others.flatMap((part) => withSegments(part.sources, mayGive));
  return sources.length === 0 ? undefined : { sources, hasExemplar: () => true };
}

/** First and last of the buckets that spans of the segment may be in. */
function bucketsOf(meta: SegmentSummary, grid: MetricsGrid): [first: number, last: number] {
  return [bucketAt(grid, meta.minTraceStart), bucketAt(grid, endOfSegment(meta))];
}

/** Segments that may be enough for all exemplars, if most of their spans count. */
function enoughOf(
  segments: readonly SegmentSummary[],
  grid: MetricsGrid,
  partOf: (bucket: number) => number,
): SegmentSummary[] {
  const rows = new Map<number, number>();
  return segments.filter(({ minTraceStart, rowCount }) => {
    const part = partOf(bucketAt(grid, minTraceStart));
    const before = rows.get(part) ?? 0;
    rows.set(part, before + rowCount);
    return before < MIN_ROWS;
  });
}

function withSegments(
  sources: readonly RowSource[],
  isWanted: (meta: SegmentSummary) => boolean,
): RowSource[] {
  return sources.flatMap((source) => {
    const segments = source.segments.filter(isWanted);
    return segments.length === 0 ? [] : [{ ...source, segments }];
  });
}
