/** Limits of one tenant on the write path. */
export type IngestLimits = {
  /** Token bucket in decoded protobuf bytes per second; beyond it `limited` (429). */
  readonly rateLimitBytes: number;
  /** Capacity of that bucket, and so the largest single push. */
  readonly burstSizeBytes: number;
  /** Longer attribute keys and string values are cut to this many bytes; 0 = off. */
  readonly maxAttributeBytes: number;
  /** Whether `limited` carries a retry hint. */
  readonly retryInfoEnabled: boolean;
};

export type IngestSettings = {
  readonly walDir: string;
  readonly segmentDir: string;
  /** The head is cut when its oldest span is this old. */
  readonly cutAfterMs: number;
  /** An L1 segment is built when the WAL range not yet in one holds this many spans … */
  readonly l1Spans: number;
  /** … or this many bytes: a sender over its limit fills it with what is refused, … */
  readonly l1WalBytes: number;
  /** … or is this old. */
  readonly l1AfterMs: number;
  /** Retry hint of `limited`; 0 = none. */
  readonly retryAfterMs: number;
};
