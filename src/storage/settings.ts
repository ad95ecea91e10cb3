import type { ObjectStoreSettings } from "../drivers/objects/settings.ts";

/** Where segments rest besides the local disk. */
export type BucketSettings = {
  readonly store: ObjectStoreSettings;
  /** Bytes of local disk for copies of what the bucket has. */
  readonly cacheBytes: number;
  /** Segments that the bucket does not have yet may take this much of the local disk; beyond it pushes get 503. */
  readonly maxSpillBytes: number;
  /** A small segment waits this long for a merge before it is uploaded; large ones go at once. */
  readonly uploadAfterMs: number;
};

/** Traces that match are kept longer than the rest. */
export type RetentionClass = {
  readonly name: string;
  /** TraceQL. */
  readonly query: string;
  /** Longer than the tenant's own; 0 = for ever. */
  readonly retentionMs: number;
};

export type RetentionSettings = {
  /** Segments whose newest span ended longer ago than this are dropped; 0 = keep all. */
  readonly retentionMs: number;
  /** Files removed from the catalog are deleted after this; longer than any query. */
  readonly deleteGraceMs: number;
  readonly intervalMs: number;
  /** The oldest segments go when a tenant's take more than this; 0 = no bound. Local and bucket alike. */
  readonly maxBytesPerTenant: number;
  /** Local disk only: the oldest segments go when the disk is fuller than this; 0 = no bound. */
  readonly maxDiskPercent: number;
  /** The first one that matches a trace counts. */
  readonly classes: readonly RetentionClass[];
  /** Neither retention nor merging runs. */
  readonly disabled: boolean;
};
