import { afterAll, beforeAll, expect, test } from "vitest";
import { makeRequests } from "../../bench/workload.ts";
import { SpanBatch } from "../../src/model/span-batch.ts";
import { type Dependency, serviceDependencies } from "../../src/query/dependencies.ts";
import { OtlpDecoder } from "../../src/receivers/otlp/decode.ts";
import { aService, aSpan, batchOf, spanIdOf } from "../support/batch-builder.ts";
import { type PlainSpan, readBatch } from "../support/read-batch.ts";
import { SegmentStore } from "./segment-store.ts";

const ALL = { startUnixNano: 0n, endUnixNano: 2n ** 62n };
const CLIENT = 3;

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(() => store.close());

/** As the rule says, one span at a time; without shared spans and peers. */
function naive(spans: readonly PlainSpan[]): Dependency[] {
  const byId = new Map(spans.map((span) => [span.traceId + span.spanId, span]));
  const found = new Map<string, Dependency>();
  for (const span of spans) {
    const parent = byId.get(span.traceId + span.parentSpanId)?.resource.serviceName ?? "";
    const child = span.resource.serviceName;
    if (parent === "" || child === "" || parent === child) continue;
    const key = `${parent} ${child}`;
    const before = found.get(key) ?? { parent, child, callCount: 0, errorCount: 0 };
    found.set(key, {
      ...before,
      callCount: before.callCount + 1,
      errorCount: before.errorCount + (span.status === 2 ? 1 : 0),
    });
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

test("a workload's calls are those of a naive count, over segments and tenants", async () => {
  store.clear();
  const batch = new SpanBatch(7);
  const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 0 });
  for (const body of makeRequests({ spans: 3000, seed: 11 })) decoder.decode(body);
  const spans = readBatch(batch);
  // Traces lie across the segments: every third span is in another one.
  for (const part of [0, 1, 2])
    await store.addBatch(batchOf(spans.filter((_, i) => i % 3 === part)));
  const one = await serviceDependencies(store.engine(), { tenants: ["single-tenant"], range: ALL });
  expect(one).toEqual(naive(spans));
  expect(one.length).toBeGreaterThan(20);
  await store.addBatch(batchOf(spans), { tenant: "other" });
  const two = await serviceDependencies(store.engine(), {
    tenants: ["single-tenant", "other"],
    range: ALL,
  });
  expect(two).toEqual(
    one.map((each) => ({
      ...each,
      callCount: 2 * each.callCount,
      errorCount: 2 * each.errorCount,
    })),
  );
});

test("a peer counts where nobody answered, whatever home its attribute has", async () => {
  store.clear();
  const call = (n: number, over: Partial<PlainSpan> = {}) =>
    aSpan({ spanId: spanIdOf(n), kind: CLIENT, resource: aService("shop"), ...over });
  const peer = (value: string | bigint) => [{ key: "peer.service", value }];
  await store.addBatch(
    batchOf([
      call(1, { attributes: peer("db"), status: 2 }),
      call(2, { attributes: peer("cart-by-another-name") }),
      aSpan({
        spanId: spanIdOf(3),
        parentSpanId: spanIdOf(2),
        kind: 2,
        resource: aService("cart"),
      }),
      call(4, { attributes: peer("") }),
      call(5, { attributes: peer(7n) }),
      call(6, { attributes: peer("shop") }),
      aSpan({ spanId: spanIdOf(7), kind: 1, resource: aService("shop"), attributes: peer("x") }),
    ]),
  );
  // A rare key has no column of its own.
  const many = Array.from({ length: 1000 }, (_, i) => call(100 + i));
  await store.addBatch(batchOf([...many, call(2000, { attributes: peer("db") })]));
  await store.addBatch(batchOf([call(3000)]));
  const found = await serviceDependencies(store.engine(), {
    tenants: ["single-tenant"],
    range: ALL,
  });
  expect(found).toEqual([
    { parent: "shop", child: "cart", callCount: 1, errorCount: 0 },
    { parent: "shop", child: "db", callCount: 2, errorCount: 1 },
  ]);
});

test("the range is that of the called span's start; no segment is no call", async () => {
  store.clear();
  const request = { tenants: ["single-tenant"] };
  const engine = store.engine();
  expect(await serviceDependencies(engine, { ...request, range: ALL })).toEqual([]);
  const start = 1_767_225_600_000_000_000n;
  await store.addBatch(
    batchOf([
      aSpan({ spanId: spanIdOf(1), startUnixNano: start, resource: aService("a") }),
      aSpan({
        spanId: spanIdOf(2),
        parentSpanId: spanIdOf(1),
        startUnixNano: start + 10n,
        resource: aService("b"),
      }),
    ]),
  );
  const count = async (from: bigint, to: bigint) => {
    const range = { startUnixNano: start + from, endUnixNano: start + to };
    return (await serviceDependencies(store.engine(), { ...request, range })).length;
  };
  expect([await count(0n, 9n), await count(10n, 10n), await count(11n, 20n)]).toEqual([0, 1, 0]);
});
