import type { SegmentSummary } from "../../schema/segment-meta.ts";

export type MergeLimits = {
  /** A merged segment has at most this many spans. */
  readonly maxSpans: number;
  /** Fewer inputs are not worth a merge … */
  readonly minInputs: number;
  readonly maxInputs: number;
  /** Inputs begin within this of each other: the time partition. */
  readonly windowNanos: bigint;
};

/**
 * Segments of one tenant worth merging: the oldest run of neighbours in time, all of about the same
 * size (the largest at most four times the smallest, or all below a sixteenth of the maximum), so
 * that a span is rewritten about log(n) times and no more. Undefined when there is none. All are of
 * one retention class, since they expire together then. `segments` are in the catalog's order,
 * newest first; L0 are left to the L1 builder.
 */
export function chooseMerge<T extends SegmentSummary>(
  segments: readonly T[],
  limits: MergeLimits,
): readonly T[] | undefined {
  const candidates = segments
    .filter((s) => s.level > 0 && s.rowCount < limits.maxSpans / 2)
    .sort((a, b) => Number(a.minTraceStart - b.minTraceStart));
  const runs = [...Map.groupBy(candidates, (s) => s.retentionClass).values()]
    .map((ofClass) => oldestRun(ofClass, limits))
    .filter((run) => run !== undefined);
  return runs.reduce<readonly T[] | undefined>(
    (oldest, run) => (oldest !== undefined && startOf(oldest) <= startOf(run) ? oldest : run),
    undefined,
  );
}

function oldestRun<T extends SegmentSummary>(
  candidates: readonly T[],
  limits: MergeLimits,
): readonly T[] | undefined {
  const tiny = limits.maxSpans / 16;
  let run: T[] = [];
  let spans = 0;
  for (const segment of candidates) {
    const first = run[0];
    const fits =
      first !== undefined &&
      run.length < limits.maxInputs &&
      spans + segment.rowCount <= limits.maxSpans &&
      segment.minTraceStart - first.minTraceStart <= limits.windowNanos &&
      run.every((s) => alike(s.rowCount, segment.rowCount, tiny));
    if (fits) {
      run.push(segment);
      spans += segment.rowCount;
      continue;
    }
    if (run.length >= limits.minInputs) return run;
    run = [segment];
    spans = segment.rowCount;
  }
  return run.length >= limits.minInputs ? run : undefined;
}

function startOf(run: readonly SegmentSummary[]): bigint {
  return run[0]?.minTraceStart ?? 0n;
}

function alike(a: number, b: number, tiny: number): boolean {
  const larger = Math.max(a, b);
  return larger <= tiny || larger <= 4 * Math.min(a, b);
}
