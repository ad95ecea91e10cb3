import { afterEach, beforeEach, expect, test } from "vitest";
import type { QueryEngine } from "../../../src/query/query-context.ts";
import { findSplitTraces } from "../../../src/query/whole-traces/split-traces.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { batchOf, traceIdOf } from "../../support/batch-builder.ts";
import type { PlainSpan } from "../../support/read-batch.ts";
import { SegmentStore } from "../segment-store.ts";
import { spanAt } from "./split-spans.ts";

let store: SegmentStore;
let engine: QueryEngine;
beforeEach(async () => {
  store = await SegmentStore.open();
  engine = store.engine();
});
afterEach(async () => {
  await store.close();
});

const TENANT = "single-tenant";
const MINUTE = 60_000;

/** Ids of the split traces of the slice, by default of all segments. */
async function split(slice?: readonly SegmentMeta[]): Promise<string[]> {
  store.statements.length = 0;
  return await engine.run({ tenants: [TENANT], timeoutMs: 0 }, async (r) => {
    const all = r.segments(TENANT);
    const { traces } = await findSplitTraces(r, slice ?? all, all, 1000);
    return traces.map(({ traceId }) => traceId).sort();
  });
}

const add = (spans: PlainSpan[], level: number) => store.addBatch(batchOf(spans), { level });

/** The segments that the statements name, by their numbers. */
function read(): number[] {
  const ids = store.statements.flatMap((sql) => [...sql.matchAll(/01SEGMENT(\d+)/g)]);
  return [...new Set(ids.map(([, id]) => Number(id)))].sort((a, b) => a - b);
}

test("what segments have in common is looked for once", async () => {
  await add([spanAt(1, 1, 0, 0), spanAt(2, 1, 0, 5 * MINUTE)], 1);
  await add([spanAt(2, 2, 1, 5 * MINUTE), spanAt(3, 1, 0, 10 * MINUTE)], 1);
  expect(await split()).toEqual([traceIdOf(2)]);
  expect(read()).toEqual([0, 1]);
  expect(await split()).toEqual([traceIdOf(2)]);
  expect(read()).toEqual([]);
  // A new one is compared with its neighbour alone.
  await add([spanAt(3, 2, 1, 10 * MINUTE), spanAt(4, 1, 0, 15 * MINUTE)], 1);
  expect(await split()).toEqual([traceIdOf(2), traceIdOf(3)]);
  expect(read()).toEqual([1, 2]);
  // Of a small one all is kept, so that it is read once; where its traces may be is read again.
  await add([spanAt(4, 2, 1, 15 * MINUTE)], 0);
  for (const segments of [[2, 3], [2]]) {
    expect(await split()).toEqual([traceIdOf(2), traceIdOf(3), traceIdOf(4)]);
    expect(read()).toEqual(segments);
  }
});

test("segments that are soon replaced are read once, and compared in memory", async () => {
  for (let n = 0; n < 5; n++) await add([spanAt(n, 1, 0, n), spanAt(n + 1, 2, 1, n)], 0);
  const expected = [1, 2, 3, 4].map(traceIdOf);
  expect(await split()).toEqual(expected);
  expect(read()).toEqual([0, 1, 2, 3, 4]);
  expect(await split()).toEqual(expected);
  expect(read()).toEqual([]);
  await add([spanAt(5, 1, 0, 5)], 0);
  expect(await split()).toEqual([...expected, traceIdOf(5)]);
  expect(read()).toEqual([5]);
});

test("a slice is compared with its neighbours alone", async () => {
  const metas = [];
  for (let n = 0; n < 6; n++) {
    const spans = [spanAt(n, 2, 1, n * 10 * MINUTE), spanAt(n + 1, 1, 0, (n + 1) * 10 * MINUTE)];
    metas.push(await add(spans, 1));
  }
  expect(await split([metas[2]!])).toEqual([traceIdOf(2), traceIdOf(3)]);
  expect(read()).toEqual([1, 2, 3]);
});

test("only the borders of segments are looked at", async () => {
  const spans = (from: number) =>
    Array.from({ length: 30 }, (_, n) => spanAt(from + n, 1, 0, (from + n) * MINUTE));
  await add(spans(0), 1);
  await add(spans(30), 1);
  expect(await split()).toEqual([]);
  const [sql] = store.statements;
  const zones = sql!.match(
    /SELECT trace_id, trace_start.*?trace_start BETWEEN.*?(?= UNION ALL)/s,
  )![0];
  const [[count]] = (await store.database.rows(`SELECT count(*) FROM (${zones})`)) as [[bigint]];
  // 70 s on each side, of an hour.
  expect(count).toBeGreaterThan(0n);
  expect(count).toBeLessThanOrEqual(4n);
});

test("segments far from each other are not looked at", async () => {
  await add([spanAt(1, 1, 0, 0)], 1);
  await add([spanAt(1, 2, 1, 2 * MINUTE)], 1);
  expect(await split()).toEqual([]);
  expect(store.statements).toEqual([]);
});

test("very many segments near each other are looked at together", async () => {
  for (let n = 0; n < 205; n++) await add([spanAt(n, 1, 0, n), spanAt(n + 1, 2, 1, n)], n % 2);
  const found = await split();
  expect(found).toHaveLength(204);
  expect(await split()).toEqual(found);
});
