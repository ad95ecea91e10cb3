import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { QueryRun } from "../query-context.ts";
import type { RecordedSegments } from "../query-recorder.ts";
import type { MetricsStats } from "./metrics-result.ts";

/** Which segments a query has to do with, and which of them it has read. */
export class MetricsProgress {
  readonly #inRange = new Set<SegmentSummary>();
  readonly #wanted = new Set<SegmentSummary>();
  readonly #read = new Set<SegmentSummary>();

  /** What a query found of one tenant's segments. */
  add(run: QueryRun, found: Omit<RecordedSegments, "read">): void {
    for (const meta of found.inRange) this.#inRange.add(meta);
    for (const meta of found.possible) this.#wanted.add(meta);
    run.recorder?.addSegments({ ...found, read: found.possible });
  }

  addRead(segments: readonly SegmentSummary[]): void {
    for (const meta of segments) this.#read.add(meta);
  }

  stats(): MetricsStats {
    return {
      segmentCount: this.#inRange.size,
      segmentBytes: sum(this.#inRange, (meta) => meta.byteSize),
      totalJobs: this.#wanted.size,
      completedJobs: this.#read.size,
      inspectedBytes: sum(this.#read, (meta) => meta.byteSize),
      inspectedSpanCount: sum(this.#read, (meta) => meta.rowCount),
    };
  }
}

function sum(metas: Iterable<SegmentSummary>, size: (meta: SegmentSummary) => number): number {
  let total = 0;
  for (const meta of metas) total += size(meta);
  return total;
}
