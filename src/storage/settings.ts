export type RetentionSettings = {
  /** Segments whose newest span ended longer ago than this are dropped; 0 = keep all. */
  readonly retentionMs: number;
  /** Files removed from the catalog are deleted after this; longer than any query. */
  readonly deleteGraceMs: number;
  readonly intervalMs: number;
  /** Neither retention nor merging runs. */
  readonly disabled: boolean;
};
