import type { AnyValueLike } from "../../traceql/sql/field.ts";

/** A label as Tempo types it: status, kind and durations are strings. */
export type MetricsLabel = { readonly key: string; readonly value: AnyValueLike };

export type MetricsExemplar = {
  /** Holds `trace:id`. */
  readonly labels: readonly MetricsLabel[];
  readonly value: number;
  /** Start of the span, Unix milliseconds. */
  readonly timestampMs: number;
};

export type MetricsSeries = {
  readonly labels: readonly MetricsLabel[];
  /** One for each of the result's `timestampsMs`; NaN = no sample there. At least one is a sample. */
  readonly values: Float64Array;
  /** By time. */
  readonly exemplars: readonly MetricsExemplar[];
};

/** What was looked at: whole segments, since finer figures would cost more than they tell. */
export type MetricsStats = {
  /** Segments of the range, read or not. */
  readonly segmentCount: number;
  readonly segmentBytes: number;
  /** Segments to read; in a partial result `completedJobs` of them are read. */
  readonly totalJobs: number;
  readonly completedJobs: number;
  readonly inspectedBytes: number;
  readonly inspectedSpanCount: number;
};

/** The answer to a range query, or to an instant query, which has one timestamp. */
export type MetricsResult = {
  /** Right edges of the buckets, Unix milliseconds, ascending. */
  readonly timestampsMs: readonly number[];
  /** Fewer labels first, then by keys, then by the values' text. */
  readonly series: readonly MetricsSeries[];
  readonly stats: MetricsStats;
  /** Set when not all series are here: Tempo's status PARTIAL with this message. */
  readonly partialMessage: string | undefined;
};

/**
 * Is given results while the query goes on; the query waits for its promise. Of a range query each
 * holds only the buckets that became final since the last one, newest first, so that no sample is
 * told twice or changes later; of an instant query the value of the data so far. The result that
 * the query returns is whole again. A query of one step, or one whose stages need all data, calls it
 * never, or with no series: then only `stats` tell of progress.
 */
export type OnPartial = (partial: MetricsResult) => Promise<void>;
