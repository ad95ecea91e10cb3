import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { QueryRun } from "../query-context.ts";
import type { RecordedSegments } from "../query-recorder.ts";
import type { MetricsStats } from "./metrics-result.ts";

type FoundSegments = Pick<RecordedSegments, "tenant" | "known" | "inRange"> & {
  readonly possible: readonly { readonly meta: SegmentSummary }[];
  readonly open: readonly { readonly meta: SegmentSummary }[];
};

/** Which segments a query has to do with, and which of them it has read. */
export class MetricsProgress {
  readonly #inRange = new Set<SegmentSummary>();
  readonly #wanted = new Set<SegmentSummary>();
  readonly #read = new Set<SegmentSummary>();

  /** What a query found of one tenant's segments; `open`: those that it reads. */
  add(run: QueryRun, { tenant, known, inRange, possible, open }: FoundSegments): void {
    for (const meta of inRange) this.#inRange.add(meta);
    for (const { meta } of open) this.#wanted.add(meta);
    const read = open.map(({ meta }) => meta);
    const isRead = new Set(read);
    const all = possible.map(({ meta }) => meta);
    const ruledOut = all.filter((meta) => !isRead.has(meta));
    run.recorder?.addSegments({ tenant, known, inRange, possible: all, ruledOut, read });
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
