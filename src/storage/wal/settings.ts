export type WalSettings = {
  /** Writes start at least this long after one another, so that requests share an fsync. */
  readonly groupDelayMs: number;
  /** A group of this size is written at once. */
  readonly maxGroupBytes: number;
  /** Records not yet durable may add up to this; beyond it `append` throws `unavailable`. */
  readonly maxQueueBytes: number;
  /** A file that has reached this is followed by a new one. */
  readonly maxFileBytes: number;
  /** Bound on the quarantine folder; beyond it damaged bytes are only counted. */
  readonly maxQuarantineBytes: number;
};

export const WAL_DEFAULTS: WalSettings = {
  groupDelayMs: 2,
  maxGroupBytes: 4 * 1024 * 1024,
  maxQueueBytes: 64 * 1024 * 1024,
  maxFileBytes: 64 * 1024 * 1024,
  maxQuarantineBytes: 256 * 1024 * 1024,
};
