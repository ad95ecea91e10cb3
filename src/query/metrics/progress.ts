import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { BySegment } from "../by-segment.ts";
import type { QueryRun } from "../query-context.ts";
import type { RecordedSegments } from "../query-recorder.ts";
import type { MetricsStats } from "./metrics-result.ts";

type FoundSegments = Pick<RecordedSegments, "tenant" | "known" | "inRange"> & {
  readonly possible: readonly { readonly meta: SegmentSummary }[];
  readonly open: readonly { readonly meta: SegmentSummary }[];
};

/** Which segments a query has to do with, and which of them it has read. */
export class MetricsProgress {
  readonly #inRange = new CountedSegments();
  readonly #wanted = new CountedSegments();
  readonly #read = new CountedSegments();

  /** What a query found of one tenant's segments; `open`: those that it reads. */
  add(run: QueryRun, { tenant, known, inRange, possible, open }: FoundSegments): void {
    for (const meta of inRange) this.#inRange.add(meta);
    for (const { meta } of open) this.#wanted.add(meta);
    if (run.recorder === undefined) return;
    const read = open.map(({ meta }) => meta);
    const isRead = new Set(read);
    const all = possible.map(({ meta }) => meta);
    const ruledOut = all.filter((meta) => !isRead.has(meta));
    run.recorder.addSegments({ tenant, known, inRange, possible: all, ruledOut, read });
  }

  addRead(segments: readonly SegmentSummary[]): void {
    for (const meta of segments) this.#read.add(meta);
  }

  stats(): MetricsStats {
    return {
      segmentCount: this.#inRange.count,
      segmentBytes: this.#inRange.bytes,
      totalJobs: this.#wanted.count,
      completedJobs: this.#read.count,
      inspectedBytes: this.#read.bytes,
      inspectedSpanCount: this.#read.rows,
    };
  }
}

/** Sums of segments, each counted once. */
class CountedSegments {
  readonly #counted = new BySegment<true>();
  count = 0;
  bytes = 0;
  rows = 0;

  add(meta: SegmentSummary): void {
    if (this.#counted.has(meta)) return;
    this.#counted.set(meta, true);
    this.count++;
    this.bytes += meta.byteSize;
    this.rows += meta.rowCount;
  }
}
