import { afterAll, beforeAll, expect, test } from "vitest";
import type { SqlValue } from "../../../src/drivers/duckdb/database.ts";
import type { QueryRun } from "../../../src/query/query-context.ts";
import { findTraceParts } from "../../../src/query/trace-parts.ts";
import { overlaySlice, overlayTraces } from "../../../src/query/whole-traces/open-overlay.ts";
import type { TraceOverlay } from "../../../src/query/whole-traces/trace-overlay.ts";
import { FIXED_COLUMNS } from "../../../src/schema/columns.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { batchOf } from "../../support/batch-builder.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { SegmentStore } from "../segment-store.ts";
import { mergedSpans, randomSegments } from "./split-spans.ts";

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(async () => {
  await store.close();
});

const TENANT = "single-tenant";
const CASES = 60;
const COLUMNS = FIXED_COLUMNS.map(({ name }) => name).join(", ");
const ORDER = `ORDER BY ${COLUMNS}`;

const run = <T>(work: (run: QueryRun) => Promise<T>): Promise<T> =>
  store.engine().run({ tenants: [TENANT], timeoutMs: 0 }, work);

/** One SELECT for each segment when `apart`, which is how callers with many shapes read. */
async function rowsOf(r: QueryRun, overlay: TraceOverlay, apart: boolean): Promise<SqlValue[][]> {
  const groups = apart ? overlay.segments.map((meta) => [meta]) : [overlay.segments];
  const selects = groups.map((group) => `SELECT ${COLUMNS}, row_id FROM ${overlay.from(group)}`);
  const rows = await r.rows(`SELECT * FROM (${selects.join(" UNION ALL ")}) ${ORDER}`);
  expect(new Set(rows.map((row) => row.at(-1))).size).toBe(rows.length);
  return rows.map((row) => row.slice(0, -1));
}

test("rows of traces in any segments are those of one segment with the same spans", async () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  let splitTraces = 0;
  for (let i = 0; i < CASES; i++) {
    const label = `seed ${seed} case ${i}`;
    store.clear();
    const segments = randomSegments(random);
    const rowGroupRows = random() < 0.5 ? 3 : 61_440;
    const metas: SegmentMeta[] = [];
    for (const spans of segments)
      metas.push(
        await store.addBatch(batchOf(spans), { rowGroupRows, level: random() < 0.5 ? 0 : 1 }),
      );
    const slice = metas.filter(() => random() < 0.6);
    if (slice.length === 0) slice.push(metas[0]!);
    const tracesOfSlice = new Set(
      slice.flatMap((meta) => segments[metas.indexOf(meta)]!.map(({ traceId }) => traceId)),
    );
    const ofSlice = mergedSpans(segments).filter(({ traceId }) => tracesOfSlice.has(traceId));
    const chosen = [...tracesOfSlice].filter((_, n) => n === 0 || random() < 0.5);
    const found = await run(async (r) => {
      await using overlay = await overlaySlice(r, slice, r.segments(TENANT));
      splitTraces += overlay.splitTraceCount;
      expect(overlay.segments.slice(0, slice.length)).toEqual(slice);
      const candidates = chosen.map((traceId) => ({ traceId, startUnixNano: startOf(traceId) }));
      const parts = await findTraceParts(r, r.segments(TENANT), candidates);
      await using listed = await overlayTraces(r, [...parts.values()]);
      return [
        await rowsOf(r, overlay, random() < 0.5),
        await rowsOf(r, listed, random() < 0.5),
      ] as const;
    });
    function startOf(traceId: string): bigint {
      const spans = segments.flat().filter((span) => span.traceId === traceId);
      return spans.reduce((a, b) => (a.startUnixNano < b.startUnixNano ? a : b)).startUnixNano;
    }
    store.clear();
    await store.addBatch(batchOf(ofSlice));
    const expected = await run(async (r) => {
      const all = r.segments(TENANT);
      await using overlay = await overlaySlice(r, all, all);
      return await rowsOf(r, overlay, false);
    });
    expect(found[0], label).toEqual(expected);
    const ofChosen = expected.filter(([traceId]) => chosen.includes(traceId as string));
    expect(found[1], label).toEqual(ofChosen);
  }
  expect(splitTraces).toBeGreaterThan(CASES);
  expect(await store.database.rows("SELECT count(*) FROM duckdb_tables()")).toEqual([[0n]]);
}, 120_000);
