import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { QueryRun } from "./query-context.ts";
import { type Facts, forEachWithFacts } from "./segment-facts.ts";

/** What has to know what a segment holds before it can be asked about it. */
export type PreparedBySegment = {
  /** Of the keys that matter. */
  readonly names: ReadonlySet<string>;
  isPrepared(meta: SegmentSummary): boolean;
  /** `facts`: the segment's, of these names. */
  prepare(meta: SegmentSummary, facts: Facts): void;
};

/** Prepares those of the segments that are not prepared yet; what that finds out is kept. */
export async function prepareSegments(
  run: QueryRun,
  prepared: PreparedBySegment,
  segments: readonly SegmentSummary[],
): Promise<void> {
  const open = segments.filter((meta) => !prepared.isPrepared(meta));
  await forEachWithFacts(run, prepared.names, open, (meta, facts) => {
    prepared.prepare(meta, facts);
  });
}
