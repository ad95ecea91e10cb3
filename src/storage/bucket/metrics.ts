/** What the bucket's parts count; `app/` backs it with metrics. */
export interface BucketMetrics {
  uploaded(bytes: number): void;
  uploadFailed(): void;
  /** Objects deleted: of segments that left the catalog, late uploads. */
  deleted(objects: number): void;
  deleteFailed(): void;
  pushRefused(): void;
  swept(result: SweepResult): void;
  sweepFailed(): void;
}

export type SweepResult = {
  readonly objects: number;
  readonly bytes: number;
  /** Late uploads and segments that others stand for, deleted. */
  readonly deleted: number;
  /** Objects that this catalog knows nothing of; left alone. */
  readonly unknown: number;
  /** Segments whose object is gone. */
  readonly missing: number;
  /** Segments whose object has another size or version than the one that was stored. */
  readonly different: number;
};
