import type { AnyValueLike } from "../traceql/sql/field.ts";

export type FoundSpan = {
  readonly spanId: bigint;
  /** Only when the query names the field. */
  readonly name: string | undefined;
  readonly startUnixNano: bigint;
  readonly durationNanos: bigint;
  readonly attributes: readonly FoundAttribute[];
};
export type FoundAttribute = { readonly key: string; readonly value: AnyValueLike };

export type FoundSpanset = {
  /** By start time, then span id; at most as many as asked for. */
  readonly spans: readonly FoundSpan[];
  /** All spans of the spanset, also those cut off. */
  readonly matchedCount: number;
  readonly attributes: readonly FoundAttribute[];
};

export type FoundTrace = {
  /** 32 hex digits. */
  readonly traceId: string;
  /** '' when no root span is there, or its resource names no service. */
  readonly rootServiceName: string;
  readonly rootSpanName: string;
  readonly startUnixNano: bigint;
  readonly durationNanos: bigint;
  /** `undefined` unless the search was a TraceQL query. */
  readonly spansets: readonly FoundSpanset[] | undefined;
  readonly serviceStats: ReadonlyMap<string, ServiceStats> | undefined;
};
export type ServiceStats = { readonly spanCount: number; readonly errorCount: number };

/** What was looked at: whole segments, since finer figures would cost more than they tell. */
export type SearchStats = {
  readonly segmentCount: number;
  readonly segmentBytes: number;
  readonly inspectedBytes: number;
  readonly inspectedSpanCount: number;
  /** Segments that may hold a match. */
  readonly totalJobs: number;
  /** Those of them that were looked at, all of them once the answer is known. */
  readonly completedJobs: number;
};

export type SearchResult = {
  /** Newest start first, ties by trace id. */
  readonly traces: readonly FoundTrace[];
  readonly stats: SearchStats;
};
