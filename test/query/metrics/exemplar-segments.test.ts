import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Exemplar, ExemplarPicker } from "../../../src/query/metrics/exemplar-picker.ts";
import { exemplarPart, statementParts } from "../../../src/query/metrics/exemplar-segments.ts";
import type { MetricsGrid } from "../../../src/query/metrics/grid.ts";
import type { RowSource } from "../../../src/query/metrics/row-sources.ts";
import type { SegmentSummary } from "../../../src/schema/segment-meta.ts";
import { shapeOf } from "../../../src/traceql/sql/segment-shape.ts";
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

function source(segments: readonly SegmentSummary[]): RowSource {
  const shape = shapeOf({ optionalColumns: [], keys: [] }, []);
  return { segments, isStored: true, from: () => "", where: "TRUE", shape };
}

const idsOf = (sources: readonly RowSource[]) =>
  sources.flatMap(({ segments }) => segments.map(({ id }) => Number(id)));

/** An exemplar of a trace of its own. */
function exemplar(bucket: number, traceId: string): Exemplar {
  const series = {
    by: [],
    byKey: "",
    exponent: 0,
    values: new Float64Array(),
    counts: new Float64Array(),
  };
  return { series, bucket, traceId, startUnixNano: 0n, value: undefined };
}

const fiveSeconds = Array.from({ length: 120 }, (_, i) => segment(5 * i + 1, 5 * i + 4, 1000));

test("of many segments in one slice of the time a few are asked", () => {
  const picker = new ExemplarPicker(20, grid.count);
  const [first, others] = statementParts([source(fiveSeconds)], grid, picker, false);
  const asked = Array.from({ length: 10 }, (_, minute) => [1, 6, 11].map((s) => 60 * minute + s));
  expect(idsOf(first!.sources)).toEqual(asked.flat());
  expect(fiveSeconds.every(first!.hasExemplar)).toBe(true);
  const all = fiveSeconds.map(({ id }) => Number(id));
  expect(idsOf(others!.sources)).toEqual(all.filter((id) => !asked.flat().includes(id)));
  expect(fiveSeconds.some(others!.hasExemplar)).toBe(false);
});

test("of many series a segment for each slice is enough", () => {
  const ten = { ...grid, stepNanos: 6n * SECOND, count: 100 };
  const first = (isSplit: boolean) => {
    const picker = new ExemplarPicker(20, 100);
    return idsOf(statementParts([source(fiveSeconds)], ten, picker, isSplit)[0]!.sources);
  };
  expect(first(false)).toHaveLength(60);
  expect(first(true)).toHaveLength(30);
});

test("where points have no exemplar the others are asked for one", () => {
  // Of ten minutes each is a slice of two buckets.
  const halves = { ...grid, stepNanos: 30n * SECOND, count: 20 };
  const picker = new ExemplarPicker(20, halves.count);
  const late = [segment(379, 392, 10)];
  const parts = statementParts([source(fiveSeconds), source(late)], halves, picker, false);
  expect(exemplarPart(parts, halves, picker)).toBeUndefined();
  for (const bucket of [0, 4, 13, 12, 19]) picker.addPoint(bucket);
  for (const bucket of [1, 4, 18]) picker.offer(exemplar(bucket, `trace ${bucket}`));
  const rest = exemplarPart(parts, halves, picker)!;
  // Of the first half of the seventh minute, but for those that the first part asks already.
  expect(idsOf(rest.sources)).toEqual([376, 381, 386, 379]);
  expect(rest.sources.flatMap(({ segments }) => segments).every(rest.hasExemplar)).toBe(true);
  picker.offer(exemplar(13, "trace 13"));
  expect(exemplarPart(parts, halves, picker)).toBeUndefined();
});

test("segments that were asked all at once are not asked again", () => {
  const picker = new ExemplarPicker(20, grid.count);
  const parts = statementParts([source([segment(1, 300, 10)])], grid, picker, false);
  picker.addPoint(2);
  expect(exemplarPart(parts, grid, picker)).toBeUndefined();
});

test("segments that are all needed are read at once", () => {
  const segments = [segment(1, 300, 50_000), segment(50, 70, 9000), segment(310, 590, 10)];
  const picker = new ExemplarPicker(20, grid.count);
  const parts = statementParts([source(segments)], grid, picker, false);
  expect(parts.map(({ sources }) => idsOf(sources))).toEqual([[1, 50, 310]]);
  expect(segments.map(parts[0]!.hasExemplar)).toEqual([true, true, true]);
});

test("nobody is asked when there are enough, or none are wanted", () => {
  const full = new ExemplarPicker(1, grid.count);
  full.offer(exemplar(0, "a"));
  for (const picker of [full, undefined]) {
    const parts = statementParts([source(fiveSeconds)], grid, picker, false);
    expect(parts).toHaveLength(1);
    expect(fiveSeconds.some(parts[0]!.hasExemplar)).toBe(false);
  }
});

describe("a query over many segments", () => {
  let store: SegmentStore;
  const SEGMENTS = 70;
  const SPANS = 100;
  beforeAll(async () => {
    store = await SegmentStore.open();
    for (let segment = 0; segment < SEGMENTS; segment++) {
      const spans = Array.from({ length: SPANS }, (_, i) =>
        spanAt(segment * SPANS + i + 1, 1, 0, segment * 1000 + (i % 900), {
          // Those of the newer segments are of the other service.
          name: i === (segment >= 30 ? 0 : 1) ? "rare" : "common",
          resource: aService(i % 2 === 0 ? "cart" : "shop"),
        }),
      );
      await store.addBatch(batchOf(spans));
    }
  });
  afterAll(() => store.close());
  const range: MetricsGrid = { startUnixNano: T0 - 1n, stepNanos: 60n * SECOND, count: 2 };
  const grouped = () => store.statements.filter((sql) => sql.includes("GROUP BY"));

  test.each([
    "{ } | count_over_time() by (resource.service.name)",
    "{ } | histogram_over_time(duration) by (resource.service.name)",
    "{ } | avg_over_time(duration)",
    '{ resource.service.name = "cart" } | rate()',
  ])("counts all of them for %s, and has exemplars of some", async (query) => {
    const plain = linesOf(await runMetrics(store, query, range));
    expect(grouped().at(-1)).not.toContain("trace_id");
    const before = grouped().length;
    const result = await runMetrics(store, query, range, { exemplars: 4 });
    expect(linesOf(result)).toEqual(plain);
    expect(result.series.flatMap(({ exemplars }) => exemplars)).not.toEqual([]);
    const asked = grouped().slice(before);
    expect(asked.map((sql) => sql.includes("any_value(trace_id)"))).toEqual([true, false]);
  });

  test("asks the others too where no span of the first ones matches", async () => {
    const query = '{ name = "rare" && resource.service.name = "shop" } | rate()';
    const plain = linesOf(await runMetrics(store, query, range));
    const before = grouped().length;
    const result = await runMetrics(store, query, range, { exemplars: 4 });
    expect(linesOf(result)).toEqual(plain);
    expect(result.series.flatMap(({ exemplars }) => exemplars)).not.toEqual([]);
    const asked = grouped().slice(before);
    expect(asked.map((sql) => sql.includes("any_value(trace_id)"))).toEqual([true, false, true]);
  });
});
