import type {
  MetricsExemplar,
  MetricsResult,
  MetricsSeries,
  OnPartial,
} from "../../query/metrics/metrics-result.ts";
import {
  type InstantRequest,
  queryInstant,
  queryRange,
  type RangeRequest,
} from "../../query/metrics/query-metrics.ts";
import type { QueryEngine } from "../../query/query-context.ts";
import { type Update, updates } from "./updates.ts";

export type MetricsUpdates = AsyncGenerator<Update<MetricsResult, MetricsResult>, void, void>;

const hasContent = ({ series }: MetricsResult): boolean => series.length > 0;

/** A range query as it goes on: partial results hold buckets that are final, each bucket once. */
export function rangeUpdates(
  engine: QueryEngine,
  request: RangeRequest,
  signal: AbortSignal,
): MetricsUpdates {
  return updates<MetricsResult, MetricsResult>(
    (onPartial, signal) =>
      queryRange(engine, { ...request, onPartial: interim(onPartial), signal }),
    { merge: mergeWindows, hasContent, signal },
  );
}

/** An instant query as it goes on: partial results hold the values of the data so far. */
export function instantUpdates(
  engine: QueryEngine,
  request: InstantRequest,
  signal: AbortSignal,
): MetricsUpdates {
  const merge = (earlier: MetricsResult, later: MetricsResult): MetricsResult =>
    // Without series it tells only of progress.
    hasContent(later) ? later : { ...earlier, stats: later.stats };
  return updates<MetricsResult, MetricsResult>(
    (onPartial, signal) =>
      queryInstant(engine, { ...request, onPartial: interim(onPartial), signal }),
    { merge, hasContent, signal },
  );
}

/** Only the result says whether all series are there. */
function interim(onPartial: OnPartial): OnPartial {
  return (partial) => onPartial({ ...partial, partialMessage: undefined });
}

/** One result over the buckets of both, which have none in common. */
export function mergeWindows(earlier: MetricsResult, later: MetricsResult): MetricsResult {
  if (!hasContent(later)) return { ...earlier, stats: later.stats };
  if (!hasContent(earlier)) return later;
  const all = [...earlier.timestampsMs, ...later.timestampsMs].sort((a, b) => a - b);
  const timestampsMs = [...new Set(all)];
  const at = new Map(timestampsMs.map((timestamp, i) => [timestamp, i]));
  type Merged = {
    labels: MetricsSeries["labels"];
    values: Float64Array;
    exemplars: MetricsExemplar[];
  };
  const series = new Map<string, Merged>();
  for (const part of [earlier, later]) {
    for (const { labels, values, exemplars } of part.series) {
      const key = JSON.stringify(labels);
      let merged = series.get(key);
      if (merged === undefined) {
        merged = { labels, values: new Float64Array(at.size).fill(Number.NaN), exemplars: [] };
        series.set(key, merged);
      }
      part.timestampsMs.forEach((timestamp, i) => {
        const value = values[i] ?? Number.NaN;
        if (!Number.isNaN(value)) merged.values[at.get(timestamp) ?? 0] = value;
      });
      merged.exemplars.push(...exemplars);
    }
  }
  for (const { exemplars } of series.values()) {
    exemplars.sort((a, b) => a.timestampMs - b.timestampMs);
  }
  return {
    timestampsMs,
    series: [...series.values()],
    stats: later.stats,
    partialMessage: undefined,
  };
}
