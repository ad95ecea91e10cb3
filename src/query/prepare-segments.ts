import type { SegmentSummary, SegmentWithKeys } from "../schema/segment-meta.ts";
import type { QueryRun } from "./query-context.ts";

/** What has to know what a segment holds before it can be asked about it. */
export type PreparedBySegment = {
  isPrepared(meta: SegmentSummary): boolean;
  prepare(meta: SegmentWithKeys): void;
};

/** Prepares those of the segments that are not prepared yet; what that finds out is kept. */
export async function prepareSegments(
  run: QueryRun,
  prepared: PreparedBySegment,
  segments: readonly SegmentSummary[],
): Promise<void> {
  const open = segments.filter((meta) => !prepared.isPrepared(meta));
  await run.withKeys(open, (meta) => prepared.prepare(meta));
}
