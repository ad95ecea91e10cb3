import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { matchTracesWith } from "../../src/app/match-traces.ts";
import { compileSearch } from "../../src/query/compile-search.ts";
import { matchingTraceIds } from "../../src/query/matching-traces.ts";
import type { TimeRange } from "../../src/query/time-range.ts";
import { aSpan, attribute, hex, type SpanInit } from "../support/otlp-builder.ts";
import { SegmentStore } from "./segment-store.ts";

const T0 = 1_700_000_000_000_000_000n;
const { signal } = new AbortController();
const idOf = (n: number): string => n.toString(16).padStart(32, "0");

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(() => store.close());
afterEach(() => store.clear());

function span(trace: number, init: SpanInit & { id?: number; start: bigint }): SpanInit {
  const { id = 1, start, ...rest } = init;
  return aSpan({
    traceId: hex(idOf(trace)),
    spanId: hex(id.toString(16).padStart(16, "0")),
    startTimeUnixNano: start,
    endTimeUnixNano: start + 1000n,
    ...rest,
  });
}

function request(spans: SpanInit[]) {
  const resource = { attributes: [attribute("service.name", "shop")] };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "lib" }, spans }] }] };
}

function matching(
  query: string,
  options: { maxTraces?: number; range?: TimeRange; background?: boolean } = {},
) {
  const { maxTraces = 10_000, range, background } = options;
  const search = compileSearch(query, 10_000);
  const tenant = "single-tenant";
  return matchingTraceIds(store.engine(), { tenant, search, range, maxTraces, signal, background });
}

test("all traces that match are named once, more than a page of them, newest first", async () => {
  const spans = Array.from({ length: 2300 }, (_, i) => span(i + 1, { start: T0 + BigInt(i >> 1) }));
  await store.add([request(spans.slice(0, 1500))]);
  await store.add([request(spans.slice(1400))]);
  const found = await matching("{}");
  expect(found).toMatchObject({ spanCount: 2300, more: false });
  expect([...found.traceIds].slice(0, 3)).toEqual([2299, 2300, 2297].map(idOf));
  expect(found.traceIds.size).toBe(2300);
});

test("a trace matches by what any of its segments holds, and all of its spans count", async () => {
  await store.add([request([span(1, { start: T0, name: "root" }), span(2, { start: T0 })])]);
  await store.add([
    request([
      span(1, { id: 2, start: T0 + 5n, name: "leaf", parentSpanId: hex("0000000000000001") }),
      // Sent twice.
      span(1, { start: T0, name: "root" }),
    ]),
  ]);
  for (const query of [`{ name = "root" } && { name = "leaf" }`, `{ name = "root" } > { }`]) {
    const found = await matching(query);
    expect([[...found.traceIds], found.spanCount]).toEqual([[idOf(1)], 2]);
  }
  expect((await matching("{ name = `x` } | count() > 0")).traceIds.size).toBe(0);
  expect((await matching("{ 1 = 2 }")).traceIds.size).toBe(0);
});

test("what is beyond the bound is told, not named", async () => {
  await store.add([request([1, 2, 3].map((i) => span(i, { start: T0 + BigInt(i) })))]);
  expect(await matching("{}", { maxTraces: 2 })).toEqual({
    traceIds: new Set([idOf(3), idOf(2)]),
    spanCount: 2,
    more: true,
  });
  expect((await matching("{}", { maxTraces: 3 })).more).toBe(false);
});

test("the head is cut for it unless it is background work", async () => {
  const before = store.cuts;
  await matching("{}", { background: true });
  expect(store.cuts).toBe(before);
  await matching("{}");
  expect(store.cuts).toBe(before + 1);
});

test("a retention class's traces are those with spans before the end of the range", async () => {
  await store.add([request([span(1, { start: T0 }), span(2, { start: T0 + 5000n })])]);
  const match = matchTracesWith(store.engine());
  const of = async (startUnixNano: bigint, endUnixNano: bigint) => [
    ...(await match("single-tenant", "{}", { startUnixNano, endUnixNano }, signal)),
  ];
  expect(await of(T0, T0 + 5000n)).toEqual([idOf(1)]);
  expect(await of(T0 + 1001n, T0 + 5001n)).toEqual([idOf(2)]);
  expect(await of(T0, T0)).toEqual([]);
  await expect(match("t", "{", { startUnixNano: 0n, endUnixNano: 1n }, signal)).rejects.toThrow(
    "invalid TraceQL query",
  );
});
