import type {
  MetricsLabel,
  MetricsResult,
  MetricsSeries,
} from "../../query/metrics/metrics-result.ts";
import type { AnyValueLike } from "../../traceql/sql/field.ts";
import type { AnyValueJson, KeyValueJson } from "./any-value.ts";
import { decimalUnlessZero, unlessDefault } from "./json-text.ts";

/** The JSON of a range query's answer: `series` is always there. */
export function rangeToJson(result: MetricsResult): unknown {
  return {
    series: result.series.map((series) => rangeSeries(series, result.timestampsMs)),
    ...restOf(result),
  };
}

/** The JSON of an instant query's answer. Grafana refuses unknown keys, Tempo leaves out empty ones. */
export function instantToJson(result: MetricsResult): unknown {
  const series = result.series.map(({ labels, values }) => ({
    labels: labelsToJson(labels),
    value: numberToJson(values[0] ?? 0),
  }));
  return { series: series.length === 0 ? undefined : series, ...restOf(result) };
}

function rangeSeries(
  { labels, values, exemplars }: MetricsSeries,
  timestampsMs: readonly number[],
): unknown {
  const samples: unknown[] = [];
  timestampsMs.forEach((timestampMs, i) => {
    const value = values[i]!;
    if (Number.isNaN(value)) return;
    samples.push({ timestampMs: String(timestampMs), value: numberToJson(value) });
  });
  return {
    labels: labelsToJson(labels),
    samples,
    exemplars:
      exemplars.length === 0
        ? undefined
        : exemplars.map((exemplar) => ({
            labels: labelsToJson(exemplar.labels),
            value: numberToJson(exemplar.value),
            timestampMs: String(exemplar.timestampMs),
          })),
  };
}

function restOf({ stats, partialMessage }: MetricsResult) {
  return {
    metrics: {
      inspectedBytes: decimalUnlessZero(stats.inspectedBytes),
      totalBlocks: unlessDefault(stats.segmentCount),
      completedJobs: unlessDefault(stats.completedJobs),
      totalJobs: unlessDefault(stats.totalJobs),
      totalBlockBytes: decimalUnlessZero(stats.segmentBytes),
      inspectedSpans: decimalUnlessZero(stats.inspectedSpanCount),
    },
    status: partialMessage === undefined ? undefined : "PARTIAL",
    message: partialMessage,
  };
}

function labelsToJson(labels: readonly MetricsLabel[]): KeyValueJson[] {
  return labels.map(({ key, value }) => ({ key, value: valueToJson(value) }));
}

function valueToJson(value: AnyValueLike): AnyValueJson {
  if (!("doubleValue" in value)) return value;
  const { doubleValue } = value;
  // As protobuf's JSON has it, which knows what JSON has no numbers for.
  return { doubleValue: Number.isFinite(doubleValue) ? doubleValue : infinityText(doubleValue) };
}

/** Zero is left out. */
function numberToJson(value: number): number | string | undefined {
  return Number.isFinite(value) ? unlessDefault(value) : infinityText(value);
}

function infinityText(value: number): string {
  return String(value);
}
