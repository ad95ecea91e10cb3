/** Bounds of live tails; no operator has asked to turn them. */
export type TailSettings = {
  /** Open tails, of all tenants and of one; beyond it 429. */
  readonly maxTails: number;
  readonly maxTailsPerTenant: number;
  /** Spans that wait for a client to take them. */
  readonly maxWaitingSpans: number;
  /** Their size, roughly. */
  readonly maxWaitingBytes: number;
  /** Matching spans taken of one segment, and their size. */
  readonly maxSpansPerSegment: number;
  readonly maxBytesPerSegment: number;
  /** Segments that wait for a filter to be run over them. */
  readonly maxWaitingSegments: number;
  readonly queryTimeoutMs: number;
};

export const DEFAULT_TAIL_SETTINGS: TailSettings = {
  maxTails: 64,
  maxTailsPerTenant: 16,
  maxWaitingSpans: 1000,
  maxWaitingBytes: 1024 * 1024,
  maxSpansPerSegment: 1000,
  maxBytesPerSegment: 1024 * 1024,
  maxWaitingSegments: 32,
  queryTimeoutMs: 5000,
};
