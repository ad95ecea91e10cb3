import { compareTraces, earlierOf, type TraceKey } from "../trace-key.ts";
import {
  type CandidateScan,
  type CandidateSource,
  keyOfRow,
  MAX_EXTRA_ROWS,
} from "./candidate-scan.ts";
import { newestSlices, type Slice } from "./newest-slices.ts";

/** A statement for the first traces of a slice that match, each row with its id and start. */
export type SliceSql = (slice: Slice, traceLimit: number) => string;

/**
 * Traces that match within growing slices of the newest. One that needs an older part to match starts
 * there or earlier, so it comes after every trace of the slice.
 */
export async function* slicedTraces(scan: CandidateScan, sqlOf: SliceSql): CandidateSource {
  let traceLimit = Math.min(scan.limit * 2, scan.limit + MAX_EXTRA_ROWS) + 16;
  for (const slice of newestSlices(scan.segments, scan.range)) {
    const left = startBefore(slice.fromUnixNano);
    for (;;) {
      let cut: TraceKey | undefined;
      let found: TraceKey[] = [];
      if (slice.segments.length > 0) {
        scan.onRead(slice.segments);
        const rows = await scan.run.rows(sqlOf(slice, traceLimit));
        found = rows.map(keyOfRow);
        if (rows.length === traceLimit) cut = found.at(-1);
      }
      yield { found, boundary: earlierOf(cut, left) };
      if (cut === undefined || (left !== undefined && compareTraces(left, cut) < 0)) break;
      traceLimit *= 4;
    }
  }
}

/** Before every trace of which a part starts before that time; `undefined` = there are none. */
function startBefore(unixNano: bigint | undefined): TraceKey | undefined {
  // The empty id sorts before all others of the same start.
  return unixNano === undefined ? undefined : { traceId: "", startUnixNano: unixNano - 1n };
}
