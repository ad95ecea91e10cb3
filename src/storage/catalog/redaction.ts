/**
 * Traces that were redacted: hidden at once from every read, then removed from the segments. Stays in
 * the catalog afterwards, without its trace ids, as a record of who removed what.
 */
export type Redaction = {
  /** ULID. */
  readonly id: string;
  readonly tenant: string;
  /** What was asked for: TraceQL. */
  readonly query: string;
  /** Who asked and why, as they say; may be empty. */
  readonly requestedBy: string;
  readonly reason: string;
  readonly createdUnixMs: number;
  /** What it found when it was applied. */
  readonly traceCount: number;
  readonly spanCount: number;
  /** 32 hex digits each, sorted, at most `MAX_REDACTED_TRACES`; empty when done. */
  readonly traceIds: readonly string[];
  /** `hiding`: something on a disk may still hold the traces; `done`: nothing does. */
  readonly state: "hiding" | "done";
  readonly doneUnixMs: number | undefined;
  /** Spans that rewriting removed so far. */
  readonly removedSpans: number;
};

/** Of one redaction: each read of a segment names those that it may hold. */
export const MAX_REDACTED_TRACES = 10_000;
