import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { compileSearch } from "../../../src/query/compile-search.ts";
import { exportTraces } from "../../../src/query/export/export-traces.ts";
import { MAX_HELD_BYTES } from "../../../src/query/export/read-traces.ts";
import type { TimeRange } from "../../../src/query/time-range.ts";
import type { Trace } from "../../../src/query/trace.ts";
import { aSpan, attribute, attributes, hex, type SpanInit } from "../../support/otlp-builder.ts";
import { SegmentStore } from "../segment-store.ts";

const T0 = 1_700_000_000_000_000_000n;
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

function request(spans: SpanInit[], service = "shop") {
  const resource = { attributes: [attribute("service.name", service)] };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "lib" }, spans }] }] };
}

async function exported(
  query: string,
  options: { limit?: number; range?: TimeRange; tenants?: string[] } = {},
): Promise<Trace[]> {
  const { limit = 0, range, tenants = ["single-tenant"] } = options;
  const { signal } = new AbortController();
  const search = compileSearch(query, 10_000);
  const traces: Trace[] = [];
  for await (const trace of exportTraces(store.engine(), {
    ...{ tenants, search, range, limit, signal },
  })) {
    traces.push(trace);
  }
  return traces;
}

const spansOf = (trace: Trace) =>
  trace.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
const idsOf = (traces: readonly Trace[]) => traces.map((trace) => spansOf(trace)[0]!.traceId);

test("more traces than a page come newest first, each once, also when many start at one instant", async () => {
  // 1400 at each of two instants: more than a page holds.
  const starts = Array.from({ length: 3200 }, (_, i) =>
    i < 2800 ? T0 + BigInt(i % 2) : T0 + BigInt(i),
  );
  for (let part = 0; part < 4; part++) {
    const spans = starts.flatMap((start, i) => (i % 4 === part ? [span(i + 1, { start })] : []));
    await store.add([request(spans)]);
  }
  const traces = await exported("{}");
  const ids = idsOf(traces);
  expect(ids.length).toBe(3200);
  expect(new Set(ids).size).toBe(3200);
  const found = traces.map((trace) => spansOf(trace)[0]!.startUnixNano);
  expect(found).toEqual([...found].sort((a, b) => (a > b ? -1 : a < b ? 1 : 0)));
  expect(idsOf(await exported("{}", { limit: 1001 }))).toEqual(ids.slice(0, 1001));
});

test("traces at the ends of time are paged, too", async () => {
  const ends = [0n, 2n ** 63n - 1n, 2n ** 64n - 1001n, T0];
  const spans = Array.from({ length: 4400 }, (_, i) => span(i + 1, { start: ends[i % 4]! }));
  await store.add([request(spans.slice(0, 2200))]);
  await store.add([request(spans.slice(2200))]);
  const ids = idsOf(await exported("{}"));
  expect(ids.length).toBe(4400);
  expect(new Set(ids).size).toBe(4400);
});

test("a trace is exported whole: spans that do not match, and those of other segments", async () => {
  await store.add([
    request([span(1, { start: T0, attributes: [attribute("hit", true)] })]),
    request([span(2, { start: T0 + 5n })]),
  ]);
  await store.add([request([span(1, { id: 2, start: T0 + 9n }), span(1, { start: T0 })], "other")]);
  const traces = await exported("{ span.hit = true }");
  expect(idsOf(traces)).toEqual([idOf(1)]);
  expect(spansOf(traces[0]!).map(({ spanId }) => spanId)).toEqual([1n, 2n]);
  expect(await exported("{ span.hit = true && span.hit = false }")).toEqual([]);
});

test("ids that a client and a server span share are exported as they are stored", async () => {
  await store.add([
    request([span(1, { id: 5, start: T0, kind: 3 }), span(1, { id: 5, start: T0 + 1n, kind: 2 })]),
  ]);
  const [trace] = await exported("{}");
  expect(spansOf(trace!).map(({ spanId, kind }) => [spanId, kind])).toEqual([
    [5n, 3],
    [5n, 2],
  ]);
});

test("the range chooses traces as a search does", async () => {
  await store.add([request([span(1, { start: T0 }), span(2, { start: T0 + 10_000n })])]);
  const range = { startUnixNano: T0 + 5000n, endUnixNano: T0 + 20_000n };
  expect(idsOf(await exported("{}", { range }))).toEqual([idOf(2)]);
});

test("a trace of a structural query over split parts is found on later pages, too", async () => {
  const roots = Array.from({ length: 1100 }, (_, i) =>
    span(i + 1, { start: T0 + BigInt(i), name: "root" }),
  );
  const children = roots.map((_, i) =>
    span(i + 1, {
      id: 2,
      start: T0 + BigInt(i),
      name: "leaf",
      parentSpanId: hex("0000000000000001"),
    }),
  );
  await store.add([request(roots)]);
  await store.add([request(children)]);
  const traces = await exported(`{ name = "root" } > { name = "leaf" }`);
  expect(new Set(idsOf(traces)).size).toBe(1100);
  expect(traces.every((trace) => spansOf(trace).length === 2)).toBe(true);
}, 60_000);

test("a trace beyond the bound comes in pieces, with all of its spans once", async () => {
  const blob = "x".repeat(20_000);
  const count = Math.ceil((1.5 * MAX_HELD_BYTES) / blob.length);
  const spans = Array.from({ length: count }, (_, i) =>
    span(7, {
      id: i + 1,
      start: T0 + BigInt(i % 3),
      attributes: [attribute("blob", `${i}${blob}`)],
    }),
  );
  await store.add([request(spans)]);
  // A part of it is stored twice.
  await store.add([request(spans.slice(0, 20)), request([span(8, { start: T0 - 1n })])]);
  const traces = await exported("{}");
  expect(traces.length).toBeGreaterThan(2);
  expect(idsOf(traces).at(-1)).toBe(idOf(8));
  const all = traces.flatMap(spansOf).filter(({ traceId }) => traceId === idOf(7));
  expect(all.length).toBe(count);
  expect(new Set(all.map(({ spanId }) => spanId)).size).toBe(count);
}, 60_000);

test("one span beyond the bound is exported all the same", async () => {
  const values = Object.fromEntries(
    Array.from({ length: 5 }, (_, i) => [`key${i}`, "y".repeat(MAX_HELD_BYTES / 4)]),
  );
  await store.add([
    request([
      span(1, { start: T0, attributes: attributes(values) }),
      span(1, { id: 2, start: T0 + 1n }),
    ]),
  ]);
  const traces = await exported("{}");
  expect(traces.flatMap(spansOf).map(({ spanId }) => spanId)).toEqual([1n, 2n]);
}, 60_000);

test("tenants come one after the other", async () => {
  await store.add([request([span(1, { start: T0 })])], { tenant: "a" });
  await store.add([request([span(1, { start: T0 }), span(2, { start: T0 })])], { tenant: "b" });
  expect(idsOf(await exported("{}", { tenants: ["a", "b"] }))).toEqual([idOf(1), idOf(1), idOf(2)]);
  expect((await exported("{}", { tenants: ["a", "b"], limit: 2 })).length).toBe(2);
});
