import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { earlierOf, type TraceKey } from "../trace-key.ts";
import {
  type CandidatePage,
  type CandidateScan,
  type CandidateSource,
  keyOfRow,
  MAX_EXTRA_ROWS,
} from "./candidate-scan.ts";
import { newestSlices, type Slice, segmentsOfSlice } from "./newest-slices.ts";
import { possibleSegments } from "./possible-segments.ts";
import { SliceGrowth } from "./slice-growth.ts";

/** A statement for the first traces of a slice that match, each row with its id and start. */
export type SliceSql = (
  slice: Slice,
  segments: readonly SegmentSummary[],
  traceLimit: number,
) => string;

/**
 * Traces that match within all slices up to one, since a trace's parts may lie in several of them.
 * One that needs an older part to match starts there or earlier, so it comes after what was seen.
 */
export async function* cumulativeSlices(scan: CandidateScan, sqlOf: SliceSql): CandidateSource {
  const growth = growthOf(scan, Number.MAX_SAFE_INTEGER);
  const pages = new SlicePages(scan, growth);
  for (const { fromUnixNano } of newestSlices(scan.segments, scan.range, growth)) {
    const slice = { fromUnixNano, beforeUnixNano: undefined };
    const inSlice = segmentsOfSlice(scan.segments, slice);
    if (inSlice.length === 0) return;
    await scan.probe(inSlice);
    const segments = possibleSegments(scan.search, inSlice);
    scan.onRead(segments);
    yield* pages.of(slice, (limit) =>
      segments.length === 0 ? undefined : sqlOf(slice, segments, limit),
    );
  }
}

/** A slice costs statements of its own, so that later ones are no smaller than the first. */
export function growthOf({ limit, firstSliceRows }: CandidateScan, maxRows: number): SliceGrowth {
  return new SliceGrowth(limit, {
    firstRows: firstSliceRows,
    minRows: firstSliceRows,
    blindRows: firstSliceRows,
    maxRows,
  });
}

/** Pages of one slice after the other. */
export class SlicePages {
  readonly #scan: CandidateScan;
  readonly #growth: SliceGrowth;
  readonly #found = new Set<string>();
  /** Grows when a slice has more traces that match. */
  #traceLimit: number;

  /** `growth` is told what was found. */
  constructor(scan: CandidateScan, growth: SliceGrowth) {
    this.#scan = scan;
    this.#growth = growth;
    this.#traceLimit = Math.min(scan.limit * 2, scan.limit + MAX_EXTRA_ROWS) + 16;
  }

  /** Until all traces of the slice that match are named. Without a statement there are none. */
  async *of(
    { fromUnixNano }: Slice,
    sqlOf: (traceLimit: number) => string | undefined,
  ): AsyncGenerator<CandidatePage, void, void> {
    const left = startBefore(fromUnixNano);
    for (;;) {
      const sql = sqlOf(this.#traceLimit);
      const rows = sql === undefined ? [] : await this.#scan.run.rows(sql);
      const found = rows.map(keyOfRow);
      for (const { traceId } of found) this.#found.add(traceId);
      this.#growth.setFound(this.#found.size);
      const cut = rows.length === this.#traceLimit ? found.at(-1) : undefined;
      yield { found, boundary: earlierOf(cut, left) };
      if (cut === undefined) return;
      this.#traceLimit *= 4;
    }
  }
}

/** Before every trace of which a part starts before that time; `undefined` = there are none. */
function startBefore(unixNano: bigint | undefined): TraceKey | undefined {
  // The empty id sorts before all others of the same start.
  return unixNano === undefined ? undefined : { traceId: "", startUnixNano: unixNano - 1n };
}
