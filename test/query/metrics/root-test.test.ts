import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { MetricsGrid } from "../../../src/query/metrics/grid.ts";
import { batchOf } from "../../support/batch-builder.ts";
import { SegmentStore } from "../segment-store.ts";
import { spanAt, T0 } from "../whole-traces/split-spans.ts";
import { linesOf, runMetrics } from "./run-metrics.ts";

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(async () => {
  await store.close();
});
beforeEach(() => {
  store.clear();
});

const GRID: MetricsGrid = { startUnixNano: T0 - 1n, stepNanos: 60_000_000_000n, count: 1 };
const lines = async (query: string) => linesOf(await runMetrics(store, query, GRID));

const ROOTS = "{ nestedSetParent < 0 } | count_over_time()";
const OTHERS = "{ nestedSetParent >= 0 } | count_over_time()";
const counted = (spans: number) => [`__name__="count_over_time": ${spans}`];

test("roots of a trace with three spans of one id in several segments are none", async () => {
  for (const kind of [1, 2, 3]) {
    const other = spanAt(2, kind, kind === 1 ? 0 : 1, kind);
    await store.addBatch(batchOf([spanAt(1, 7, 0, kind, { kind }), other]));
  }
  expect(await lines(ROOTS)).toEqual(counted(1));
  expect(await lines(OTHERS)).toEqual(counted(5));
});

test("roots are counted as their segments store them where no trace is like that", async () => {
  for (const kind of [2, 3]) {
    await store.addBatch(batchOf([spanAt(1, 7, 0, kind, { kind }), spanAt(1, kind, 7, kind)]));
  }
  expect(await lines(ROOTS)).toEqual(counted(2));
  // Rows of whole traces would be numbered.
  expect(store.statements.at(-1)).not.toContain("row_id");
  expect(await lines(OTHERS)).toEqual(counted(2));
  expect(store.statements.at(-1)).not.toContain("row_id");
});
