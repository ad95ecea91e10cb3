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
 * The sources, in one or two parts, the first of which is to be read before the second is asked for.
 * Trace ids are a good part of what is read of many small segments, and few are needed: so a few
 * segments of each part of the time are asked for exemplars first, and of the others those where
 * none were found. `isSplit`: into many series, each of which has an exemplar for a bucket.
 */
export function* statementParts(
  sources: readonly RowSource[],
  grid: MetricsGrid,
  picker: ExemplarPicker | undefined,
  isSplit: boolean,
): Generator<StatementPart, void, void> {
  if (picker === undefined) {
    yield { sources, hasExemplar: () => false };
    return;
  }
  const hasExemplar = (meta: SegmentSummary): boolean =>
    picker.lacksWithin(bucketAt(grid, meta.minTraceStart), bucketAt(grid, endOfSegment(meta)));
  const wanted = sources.flatMap(({ segments }) => segments.filter(hasExemplar));
  const partOf = (bucket: number) => (isSplit ? picker.sliceOf(bucket) : picker.partOf(bucket));
  const first = new Set(enoughOf(wanted, grid, partOf));
  const saved = wanted.length - first.size;
  if (saved < MIN_SAVED_SEGMENTS || sources.some(({ isStored }) => !isStored)) {
    yield { sources, hasExemplar };
    return;
  }
  yield { sources: withSegments(sources, (meta) => first.has(meta)), hasExemplar };
  yield { sources: withSegments(sources, (meta) => !first.has(meta)), hasExemplar };
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
