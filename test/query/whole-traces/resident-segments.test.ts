import { afterEach, beforeEach, expect, test } from "vitest";
import { ResidentSegments } from "../../../src/query/whole-traces/resident-segments.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { batchOf, traceIdOf } from "../../support/batch-builder.ts";
import { SegmentStore } from "../segment-store.ts";
import { spanAt, T0 } from "./split-spans.ts";

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(async () => {
  await store.close();
});

async function load(residents: ResidentSegments, metas: readonly SegmentMeta[]) {
  store.statements.length = 0;
  return await store
    .engine()
    .run({ tenants: ["single-tenant"], timeoutMs: 0 }, (r) => residents.load(r, metas));
}

/** Segments of so many rows, the first the oldest. */
async function add(...rowCounts: number[]): Promise<SegmentMeta[]> {
  const metas: SegmentMeta[] = [];
  for (const count of rowCounts) {
    const spans = Array.from({ length: count }, (_, n) => spanAt(n, 1, 0, n));
    metas.push(await store.addBatch(batchOf(spans), { level: 0 }));
  }
  return metas;
}

test("a trace's rows are known by where the file has them", async () => {
  const spans = [spanAt(1, 1, 0, 5), spanAt(1, 2, 1, 9), spanAt(2, 7, 3, 1)];
  const meta = await store.addBatch(batchOf(spans), { level: 0 });
  const segment = (await load(new ResidentSegments(), [meta])).get(meta)!;
  expect([...segment.traces.values()]).toMatchObject([
    { traceId: traceIdOf(1), firstRow: 0, endRow: 2, startUnixNano: T0 + 5_000_000n },
    { traceId: traceIdOf(2), firstRow: 2, endRow: 3, endUnixNano: T0 + 11_000_000n },
  ]);
  const { rows } = segment;
  expect([...rows.spanId.values()]).toEqual([1n, 2n, 7n]);
  expect([...rows.parentSpanId.values()]).toEqual([0n, 1n, 3n]);
  expect([...rows.rowNumber.values()]).toEqual([0, 1, 2]);
  expect([...rows.roots]).toEqual([[0, { serviceName: "service1", name: "op1" }]]);
});

test("what is here is not read again, and only segments of level 0 are", async () => {
  const [a] = await add(3);
  const higher = await store.addBatch(batchOf([spanAt(1, 1, 0, 0)]), { level: 1 });
  const residents = new ResidentSegments();
  expect([...(await load(residents, [a!, higher])).keys()]).toEqual([a]);
  expect(store.statements).toHaveLength(1);
  expect([...(await load(residents, [a!, higher])).keys()]).toEqual([a]);
  expect(store.statements).toEqual([]);
});

test("one load reads so much at most, the latest first; the next goes on", async () => {
  const [a, b, c] = await add(10, 10, 10);
  const residents = new ResidentSegments({ maxRows: 100, maxReadRows: 20 });
  expect(new Set((await load(residents, [a!, b!, c!])).keys())).toEqual(new Set([b, c]));
  expect(new Set((await load(residents, [a!, b!, c!])).keys())).toEqual(new Set([a, b, c]));
});

test("beyond the bound those used longest ago go", async () => {
  const [a, b, c] = await add(10, 10, 10);
  const residents = new ResidentSegments({ maxRows: 20, maxReadRows: 100 });
  await load(residents, [a!]);
  await load(residents, [b!]);
  await load(residents, [c!]);
  await load(residents, [b!, c!]);
  expect(store.statements).toEqual([]);
  await load(residents, [a!]);
  expect(store.statements).toHaveLength(1);
});
