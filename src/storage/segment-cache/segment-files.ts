import type { ReadFile } from "../../drivers/files/files.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";

/** What a reader wants of a segment. */
export type SegmentNeed = {
  readonly meta: SegmentSummary;
  /** Names of top-level columns; those that the segment does not have are passed over. */
  readonly columns: ReadonlySet<string> | "all";
  /** Indexes into `meta.rowGroups`, ascending, at least one. */
  readonly rowGroups: readonly number[] | "all";
};

/** Files that stay until they are disposed of. */
export interface PinnedFiles extends Disposable {
  /**
   * A complete local Parquet file with at least the columns and row groups that were asked for, in
   * the segment's order; its name begins with the segment's id. Throws for an id not asked for.
   */
  pathOf(segmentId: string): string;
}

/** Segments as local files, wherever they rest. */
export interface SegmentFiles {
  /**
   * Brings what the needs name to local disk, several segments at once; a segment is named once.
   * Rejects with `canceled`, `unavailable` (the bucket, or a full disk), `limited` when the needs
   * alone exceed the cache, `corrupt` (with the segment's name) when an object is not what was
   * stored, `not_found` when it is gone.
   */
  pin(needs: readonly SegmentNeed[], signal: AbortSignal): Promise<PinnedFiles>;
  /**
   * The segment's bytes, at their places in the stored file; what is not on local disk is fetched
   * when it is read, whole row groups at a time. Errors as of `pin`, also of `read`.
   */
  openRead(meta: SegmentSummary, signal: AbortSignal): Promise<ReadFile>;
  /**
   * The same without a request: a whole copy, or as much of the end as is in memory; a read of more
   * rejects with `unavailable`. Undefined when neither is there.
   */
  openLocal(meta: SegmentSummary): Promise<ReadFile | undefined>;
  /**
   * A reader found the local bytes damaged: they go, and are fetched anew when they are asked for.
   * False for a segment that the bucket does not have.
   */
  distrust(meta: SegmentSummary): Promise<boolean>;
}
