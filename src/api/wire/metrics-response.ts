import type {
  MetricsLabel,
  MetricsResult,
  MetricsSeries,
} from "../../query/metrics/metrics-result.ts";
import type { AnyValueLike } from "../../traceql/sql/field.ts";
import { TextBytes } from "../../util/text-bytes.ts";
import type { AnyValueJson, KeyValueJson } from "./any-value.ts";
import { decimalUnlessZero, jsonText, unlessDefault } from "./json-text.ts";

/** About what these take in JSON. */
const SAMPLE_BYTES = 42;
const SERIES_BYTES = 500;

/** The JSON text of a range query's answer, encoded. */
export function rangeBytes(result: MetricsResult): Uint8Array<ArrayBuffer> {
  const { series, timestampsMs } = result;
  const ofSeries = SERIES_BYTES + SAMPLE_BYTES * timestampsMs.length;
  const text = new TextBytes(ofSeries * (series.length + 1));
  writeRange(result, (part) => text.append(part));
  return text.bytes;
}

/** The JSON text of a range query's answer. */
export function rangeText(result: MetricsResult): string {
  const parts: string[] = [];
  writeRange(result, (part) => parts.push(part));
  return parts.join("");
}

/**
 * `series` is always there. Tens of thousands of samples are written as they are: an object for each
 * costs more than its text.
 */
function writeRange(result: MetricsResult, write: (part: string) => void): void {
  const starts = result.timestampsMs.map((timestampMs) => `{"timestampMs":"${timestampMs}"`);
  write('{"series":[');
  for (const [i, series] of result.series.entries()) {
    if (i > 0) write(",");
    write(rangeSeriesText(series, starts));
  }
  write(`],${jsonText(restOf(result)).slice(1)}`);
}

/** The JSON text of an instant query's answer. Grafana refuses unknown keys, Tempo leaves out empty ones. */
export function instantText(result: MetricsResult): string {
  const series = result.series.map(({ labels, values }) => ({
    labels: labelsToJson(labels),
    value: numberToJson(values[0] ?? 0),
  }));
  return jsonText({ series: series.length === 0 ? undefined : series, ...restOf(result) });
}

/** `starts`: of the sample at each timestamp, up to its value. */
function rangeSeriesText(
  { labels, values, exemplars }: MetricsSeries,
  starts: readonly string[],
): string {
  const samples: string[] = [];
  for (const [i, start] of starts.entries()) {
    const value = values[i]!;
    if (!Number.isNaN(value)) samples.push(`${start}${valueText(value)}}`);
  }
  const parts = [`"labels":${jsonText(labelsToJson(labels))}`, `"samples":[${samples.join(",")}]`];
  if (exemplars.length > 0) {
    const list = exemplars.map((exemplar) => ({
      labels: labelsToJson(exemplar.labels),
      value: numberToJson(exemplar.value),
      timestampMs: String(exemplar.timestampMs),
    }));
    parts.push(`"exemplars":${jsonText(list)}`);
  }
  return `{${parts.join(",")}}`;
}

/** As `numberToJson` would have it behind other members. */
function valueText(value: number): string {
  if (value === 0) return "";
  return Number.isFinite(value) ? `,"value":${value}` : `,"value":"${infinityText(value)}"`;
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
