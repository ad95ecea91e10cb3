import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exemplarSegments } from "../../../src/query/metrics/exemplar-segments.ts";
import type { MetricsGrid } from "../../../src/query/metrics/grid.ts";
import { aService, batchOf } from "../../support/batch-builder.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";
import { SegmentStore } from "../segment-store.ts";
import { spanAt, T0 } from "../whole-traces/split-spans.ts";
import { linesOf, runMetrics } from "./run-metrics.ts";

const SECOND = 1_000_000_000n;
const grid = { startUnixNano: 0n, stepNanos: 60n * SECOND, count: 10 };

function segment(fromSecond: number, toSecond: number, rowCount: number) {
  const maxEnd = BigInt(toSecond) * SECOND;
  const minTraceStart = BigInt(fromSecond) * SECOND;
  return aSegmentMeta({
    id: `${fromSecond}`,
    minTraceStart,
    maxTraceStart: maxEnd,
    maxEnd,
    rowCount,
  });
}

test("of many segments in one slice of the time the first ones are enough", () => {
  const segments = Array.from({ length: 60 }, (_, i) => segment(10 * i + 1, 10 * i + 8, 1000));
  const chosen = exemplarSegments(segments, grid, 10).map(({ id }) => Number(id));
  expect(chosen).toEqual(
    Array.from({ length: 10 }, (_, minute) => [1, 11, 21].map((s) => 60 * minute + s)).flat(),
  );
});

test("segments that reach into several slices are all chosen", () => {
  const segments = [segment(1, 300, 50_000), segment(50, 70, 9000), segment(310, 590, 10)];
  expect(exemplarSegments(segments, grid, 10)).toEqual(segments);
});

test("segments that reach out of the grid take no other's place", () => {
  const segments = [segment(-100, 20, 50_000), segment(-10, -5, 10), segment(30, 40, 10)];
  expect(exemplarSegments(segments, grid, 1)).toEqual(segments);
  expect(exemplarSegments([], grid, 100)).toEqual([]);
});

describe("a query over many segments", () => {
  let store: SegmentStore;
  const SEGMENTS = 7;
  const SPANS = 2600;
  beforeAll(async () => {
    store = await SegmentStore.open();
    for (let segment = 0; segment < SEGMENTS; segment++) {
      const spans = Array.from({ length: SPANS }, (_, i) =>
        spanAt(segment * SPANS + i + 1, 1, 0, segment * 1000 + (i % 900), {
          resource: aService(i % 2 === 0 ? "cart" : "shop"),
        }),
      );
      await store.addBatch(batchOf(spans));
    }
  });
  afterAll(() => store.close());
  const range: MetricsGrid = { startUnixNano: T0 - 1n, stepNanos: 60n * SECOND, count: 2 };
  const grouped = () => store.statements.filter((sql) => sql.includes("GROUP BY")).at(-1)!;

  test.each([
    "{ } | count_over_time() by (resource.service.name)",
    "{ } | histogram_over_time(duration) by (resource.service.name)",
    "{ } | avg_over_time(duration)",
  ])("counts all of them for %s, and has exemplars of some", async (query) => {
    const plain = linesOf(await runMetrics(store, query, range));
    expect(grouped()).not.toContain("trace_id");
    const result = await runMetrics(store, query, range, { exemplars: 2 });
    expect(linesOf(result)).toEqual(plain);
    expect(result.series.flatMap(({ exemplars }) => exemplars)).not.toEqual([]);
    const selects = grouped().split("UNION ALL");
    expect(selects.map((sql) => sql.includes("any_value(trace_id)")).sort()).toEqual([false, true]);
  });

  test("takes exemplars from all where a filter may leave few spans", async () => {
    const query = '{ resource.service.name = "cart" } | rate()';
    const { series } = await runMetrics(store, query, range, { exemplars: 2 });
    expect(series[0]?.exemplars.length).toBeGreaterThan(0);
    expect(grouped().split("UNION ALL")).toHaveLength(1);
  });
});
