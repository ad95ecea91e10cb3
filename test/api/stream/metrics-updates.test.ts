import { expect, test } from "vitest";
import { mergeWindows } from "../../../src/api/stream/metrics-updates.ts";
import type { MetricsResult, MetricsStats } from "../../../src/query/metrics/metrics-result.ts";

const stats = (completedJobs: number): MetricsStats => ({
  segmentCount: 4,
  segmentBytes: 4,
  totalJobs: 4,
  completedJobs,
  inspectedBytes: 0,
  inspectedSpanCount: 0,
});

function result(
  completedJobs: number,
  timestampsMs: number[],
  series: Record<string, number[]>,
  exemplarsAt: number[] = [],
): MetricsResult {
  return {
    timestampsMs,
    series: Object.entries(series).map(([name, values]) => ({
      labels: [{ key: "name", value: { stringValue: name } }],
      values: Float64Array.from(values),
      exemplars: exemplarsAt.map((timestampMs) => ({ labels: [], value: 1, timestampMs })),
    })),
    stats: stats(completedJobs),
    partialMessage: undefined,
  };
}

const plain = ({ timestampsMs, series, stats: { completedJobs } }: MetricsResult) => ({
  timestampsMs,
  series: series.map(({ labels, values, exemplars }) => [
    JSON.stringify(labels[0]?.value),
    [...values],
    exemplars.map(({ timestampMs }) => timestampMs),
  ]),
  completedJobs,
});

test("windows of a range query merge by series, in the order of time", () => {
  const newer = result(1, [30, 40], { a: [3, 4], b: [5, 6] }, [35]);
  const older = result(2, [10, 20], { a: [1, 2], c: [7, 8] }, [15]);
  const { NaN: none } = Number;
  expect(plain(mergeWindows(newer, older))).toEqual({
    timestampsMs: [10, 20, 30, 40],
    series: [
      ['{"stringValue":"a"}', [1, 2, 3, 4], [15, 35]],
      ['{"stringValue":"b"}', [none, none, 5, 6], [35]],
      ['{"stringValue":"c"}', [7, 8, none, none], [15]],
    ],
    completedJobs: 2,
  });
});

test("news of progress alone leaves the series as they are", () => {
  const window = result(1, [30], { a: [3] });
  expect(plain(mergeWindows(window, result(3, [], {})))).toEqual({
    ...plain(window),
    completedJobs: 3,
  });
  expect(plain(mergeWindows(result(3, [], {}), window))).toEqual(plain(window));
});
