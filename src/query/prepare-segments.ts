import type { SegmentSummary, SegmentWithKeys } from "../schema/segment-meta.ts";
import type { QueryRun } from "./query-context.ts";
import { type Facts, forEachWithFacts } from "./segment-facts.ts";

/** What has to know what a segment holds before it can be asked about it. */
export type PreparedBySegment = {
  /** Of the keys that matter. */
  readonly names: ReadonlySet<string>;
  isPrepared(meta: SegmentSummary): boolean;
  prepare(meta: SegmentWithKeys): void;
  /** The same where the segment's facts of these names are known. */
  prepareWith(meta: SegmentSummary, facts: Facts): void;
};

/** Prepares those of the segments that are not prepared yet; what that finds out is kept. */
export async function prepareSegments(
  run: QueryRun,
  prepared: PreparedBySegment,
  segments: readonly SegmentSummary[],
): Promise<void> {
  const open = segments.filter((meta) => !prepared.isPrepared(meta));
  await forEachWithFacts(run, prepared.names, open, (meta, facts) => {
    prepared.prepareWith(meta, facts);
  });
}
