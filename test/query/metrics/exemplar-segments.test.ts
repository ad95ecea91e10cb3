import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Exemplar, ExemplarPicker } from "../../../src/query/metrics/exemplar-picker.ts";
import { statementParts } from "../../../src/query/metrics/exemplar-segments.ts";
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

test("of many segments in one slice of the time a few are asked first", () => {
  const picker = new ExemplarPicker(20, grid.count);
  const parts = statementParts([source(fiveSeconds)], grid, picker, false);
  const { sources, hasExemplar } = parts.next().value!;
  expect(idsOf(sources)).toEqual(
    Array.from({ length: 10 }, (_, minute) => [1, 6, 11].map((s) => 60 * minute + s)).flat(),
  );
  expect(sources.every(({ segments }) => segments.every(hasExemplar))).toBe(true);
});

test("of many series a segment for each slice is enough", () => {
  const ten = { ...grid, stepNanos: 6n * SECOND, count: 100 };
  const first = (isSplit: boolean) => {
    const parts = statementParts([source(fiveSeconds)], ten, new ExemplarPicker(20, 100), isSplit);
    return idsOf(parts.next().value!.sources);
  };
  expect(first(false)).toHaveLength(60);
  expect(first(true)).toHaveLength(30);
});

test("then the others are read, and asked where none was found", () => {
  const picker = new ExemplarPicker(20, grid.count);
  const late = [segment(355, 365, 10)];
  const parts = statementParts([source(fiveSeconds), source(late)], grid, picker, false);
  const first = idsOf(parts.next().value!.sources);
  for (let bucket = 0; bucket < grid.count; bucket++) {
    if (bucket !== 6) picker.offer(exemplar(bucket, `trace ${bucket}`));
  }
  const { sources, hasExemplar } = parts.next().value!;
  const all = [...fiveSeconds, ...late].map(({ id }) => Number(id));
  expect([...first, ...idsOf(sources)].sort((a, b) => a - b)).toEqual(all.sort((a, b) => a - b));
  const asked = sources.flatMap(({ segments }) => segments.filter(hasExemplar));
  expect(asked.map(({ id }) => Number(id))).toEqual([
    376, 381, 386, 391, 396, 401, 406, 411, 416, 355,
  ]);
  expect(parts.next().done).toBe(true);
});

test("segments that are all needed are read at once", () => {
  const segments = [segment(1, 300, 50_000), segment(50, 70, 9000), segment(310, 590, 10)];
  const picker = new ExemplarPicker(20, grid.count);
  const parts = [...statementParts([source(segments)], grid, picker, false)];
  expect(parts.map(({ sources }) => idsOf(sources))).toEqual([[1, 50, 310]]);
  expect(segments.map(parts[0]!.hasExemplar)).toEqual([true, true, true]);
});

test("nobody is asked when there are enough, or none are wanted", () => {
  const full = new ExemplarPicker(1, grid.count);
  full.offer(exemplar(0, "a"));
  for (const picker of [full, undefined]) {
    const parts = [...statementParts([source(fiveSeconds)], grid, picker, false)];
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
    const before = grouped().length;
    const result = await runMetrics(store, query, range, { exemplars: 4 });
    expect(result.series.flatMap(({ exemplars }) => exemplars)).not.toEqual([]);
    const asked = grouped().slice(before);
    expect(asked.map((sql) => sql.includes("any_value(trace_id)"))).toEqual([true, true]);
  });
});
