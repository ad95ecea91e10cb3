import { afterEach, beforeEach, expect, test } from "vitest";
import { compileSearch } from "../../../src/query/compile-search.ts";
import { searchTraces } from "../../../src/query/search.ts";
import { traceById } from "../../../src/query/trace-by-id.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { hexToBytes } from "../../../src/util/hex.ts";
import { CacheBench, shopBatch, written } from "../../storage/segment-cache/cache-support.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../../support/batch-builder.ts";
import { SegmentStore } from "../segment-store.ts";

/** 60,000 spans in nine row groups or so. */
const LARGE = written(shopBatch(12_000), 7000);
const TENANTS = ["single-tenant"];

let bench: CacheBench;
let store: SegmentStore;
beforeEach(async () => {
  bench = await CacheBench.open();
  store = await SegmentStore.open();
  store.segmentFiles = await bench.cache();
});
afterEach(async () => {
  await store.close();
  await bench.close();
});

async function put(segment: { readonly meta: SegmentMeta; readonly bytes: Uint8Array }) {
  const { meta } = await bench.store(segment);
  store.segments.push(meta);
  return meta;
}

async function search(query: string): Promise<readonly string[]> {
  const { traces } = await searchTraces(store.engine(), {
    tenants: TENANTS,
    search: compileSearch(query, 100_000),
    range: undefined,
    limit: 20,
    spansPerSpanset: 3,
  });
  return traces.map(({ traceId }) => traceId);
}

function find(traceId: string) {
  return traceById(store.engine(), { tenants: TENANTS, traceId: hexToBytes(traceId) });
}

test("a narrow search fetches less than 15 % of a segment, and nothing once it is warm", async () => {
  const meta = await put(LARGE);
  const found = await search('{ name = "operation 7" }');
  expect(found).toHaveLength(20);
  expect(bench.counts.bytes).toBeLessThan(0.15 * meta.byteSize);
  const gets = bench.gets();
  expect(await search('{ name = "operation 7" }')).toEqual(found);
  expect(bench.gets()).toBe(gets);
});

test("segments that were just uploaded are searched without a request", async () => {
  const { meta } = await bench.store(LARGE, { local: true });
  store.segments.push(meta);
  const cache = await bench.cache();
  store.segmentFiles = cache;
  expect(await search("{ status = error || name =~ `.*` }")).toHaveLength(20);
  expect((await find(traceIdOf(1_000_003n * 9n))).trace.resourceSpans).not.toHaveLength(0);
  expect(bench.gets()).toBe(0);
});

test("a trace by id over 1000 segments costs three requests at most, and none once it is warm", async () => {
  for (let segment = 0; segment < 1000; segment++) {
    const spans = Array.from({ length: 24 }, (_, i) =>
      aSpan({
        traceId: traceIdOf(0x9e3779b97f4a7c15n * BigInt(1 + segment * 12 + (i >> 1))),
        spanId: spanIdOf(segment * 24 + i + 1),
        resource: aService("shop"),
      }),
    );
    await put(written(batchOf(spans), 1000));
  }
  const before = bench.bucket.requests.length;
  const wanted = traceIdOf(0x9e3779b97f4a7c15n * BigInt(1 + 500 * 12));
  const { trace } = await find(wanted);
  const spans = trace.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans));
  expect(spans.map(({ traceId }) => traceId)).toEqual([wanted, wanted]);
  const made = bench.bucket.requests.slice(before).map(({ operation }) => operation);
  expect(made.length).toBeLessThanOrEqual(3);
  expect(new Set(made)).toEqual(new Set(["get"]));
  await find(wanted);
  expect(bench.bucket.requests).toHaveLength(before + made.length);
  // One that is in no segment.
  const absent = await find(traceIdOf(0x9e3779b97f4a7c15n * 20_000n));
  expect(absent.trace.resourceSpans).toEqual([]);
  expect(bench.bucket.requests.length - before - made.length).toBeLessThanOrEqual(2);
});

test("a search over many segments fetches parts of the newest one", async () => {
  for (let i = 0; i < 8; i++) await put(written(shopBatch(500, 500 * i), 600));
  await search('{ name = "operation 3" }');
  expect(bench.counts.bytes).toBeLessThan(2 * store.segments[0]!.byteSize);
});

test("values that are nowhere are asked of local copies, without a request", async () => {
  const withoutLists = LARGE.meta.keys.map((stats) => ({ ...stats, values: [], complete: false }));
  const { meta } = await bench.store(LARGE, { local: true });
  store.segments.push({ ...meta, keys: withoutLists });
  store.segmentFiles = await bench.cache();
  expect(await search('{ name = "operation 999999" }')).toEqual([]);
  expect(store.statements).toEqual([]);
  expect(await search('{ name = "operation 7" }')).toHaveLength(20);
  expect(bench.gets()).toBe(0);
});

test("for values that are nowhere nothing is fetched beside what a statement needs", async () => {
  const withoutLists = LARGE.meta.keys.map((stats) => ({ ...stats, values: [], complete: false }));
  const requests = async (useFilters: boolean) => {
    store.useFilters = useFilters;
    store.segments.length = 0;
    store.segmentFiles = await bench.cache();
    const meta = await put(LARGE);
    store.segments[0] = { ...meta, keys: withoutLists };
    const before = bench.gets();
    expect(await search('{ name = "operation 999999" }')).toEqual([]);
    return bench.gets() - before;
  };
  const without = await requests(false);
  expect(without).toBeGreaterThan(0);
  expect(await requests(true)).toBeLessThanOrEqual(without);
});

test("an object that is gone fails the query and names the segment; others go on", async () => {
  const lost = await put(LARGE);
  for (const key of bench.bucket.fake.objects.keys()) bench.bucket.fake.objects.delete(key);
  await expect(search('{ name = "operation 7" }')).rejects.toMatchObject({
    kind: "corrupt",
    message: expect.stringContaining(lost.id),
  });
  store.segments.length = 0;
  await put(LARGE);
  expect(await search('{ name = "operation 7" }')).toHaveLength(20);
});
