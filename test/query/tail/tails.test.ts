import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { compileTail } from "../../../src/query/tail/compile-tail.ts";
import { DEFAULT_TAIL_SETTINGS, type TailSettings } from "../../../src/query/tail/settings.ts";
import type { TailNews } from "../../../src/query/tail/tail-inbox.ts";
import { Tails } from "../../../src/query/tail/tails.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { attributes, hex, type SpanInit } from "../../support/otlp-builder.ts";
import { SegmentStore } from "../segment-store.ts";

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(() => store.close());
beforeEach(() => {
  store.statements.length = 0;
});

const START = 1_700_000_000_000_000_000n;

function span(n: number, init: SpanInit = {}): SpanInit {
  return {
    traceId: hex(n.toString(16).padStart(32, "0")),
    spanId: hex("00000000000000a1"),
    name: `op ${n}`,
    kind: 2,
    startTimeUnixNano: START + BigInt(n),
    endTimeUnixNano: START + BigInt(n) + 1000n,
    attributes: attributes({ n: BigInt(n), odd: n % 2 === 1 }),
    ...init,
  };
}

async function segment(spans: SpanInit[], options: { tenant?: string; level?: number } = {}) {
  const resource = { attributes: attributes({ "service.name": "shop" }) };
  return await store.add([{ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }], {
    level: 0,
    ...options,
  });
}

function setUp(settings: Partial<TailSettings> = {}) {
  const dropped: number[] = [];
  const tails = new Tails(
    { engine: store.engine(), log: silentLogger, onDropped: (spans) => dropped.push(spans) },
    { ...DEFAULT_TAIL_SETTINGS, ...settings },
  );
  const open = (query: string, tenants = ["single-tenant"]) => {
    const client = new AbortController();
    const filter = compileTail(query, 10_000);
    return { news: tails.open({ tenants, filter, signal: client.signal }), client };
  };
  return { tails, open, dropped };
}

const namesOf = (news: unknown) =>
  news ? (news as TailNews).spans.map(({ name }) => name).sort() : [];
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test("a tail shows the spans of a committed segment that match, with what the query mentions", async () => {
  const { tails, open } = setUp();
  const { news } = open("{ span.odd = true } | select(span.n)");
  tails.onCommit([await segment(numbers(4).map((n) => span(n)))]);
  const { value } = await news.next();
  expect(namesOf(value)).toEqual(["op 1", "op 3"]);
  const first = (value as TailNews).spans.find(({ name }) => name === "op 1");
  expect(first).toMatchObject({
    tenant: "single-tenant",
    traceId: "1".padStart(32, "0"),
    spanId: 0xa1n,
    parentSpanId: undefined,
    serviceName: "shop",
    startUnixNano: START + 1n,
    durationNanos: 1000n,
    kind: 2,
    status: 0,
    attributes: [
      { key: "odd", value: { boolValue: true } },
      { key: "n", value: { intValue: "1" } },
    ],
  });
  expect(store.cuts).toBe(0);
});

test("merged segments and those of other tenants are not looked at", async () => {
  const { tails, open } = setUp();
  const { news } = open("{}", ["a", "b"]);
  tails.onCommit([
    await segment([span(1)], { tenant: "a", level: 1 }),
    await segment([span(2)], { tenant: "c" }),
    await segment([span(3)], { tenant: "a" }),
    await segment([span(4)], { tenant: "b" }),
  ]);
  const told = [namesOf((await news.next()).value), namesOf((await news.next()).value)].flat();
  expect(told).toEqual(["op 3", "op 4"]);
});

test("tails with the same query share one run, and a segment that cannot match is not read", async () => {
  const { tails, open } = setUp();
  const both = [open("{ span.odd = true }"), open("{ span.odd = true }")];
  open("{ span.unknown = 1 }");
  tails.onCommit([await segment([span(1), span(2)])]);
  for (const { news } of both) expect(namesOf((await news.next()).value)).toEqual(["op 1"]);
  expect(store.statements.length).toBe(1);
});

test("matches beyond the bounds of a segment or of a client are counted", async () => {
  const { tails, open, dropped } = setUp({ maxSpansPerSegment: 10, maxWaitingSpans: 15 });
  const { news } = open("{}");
  const meta = await segment(numbers(40).map((n) => span(n)));
  tails.onCommit([meta, meta, meta]);
  let shown = 0;
  let lost = 0;
  while (shown + lost < 3 * 40) {
    const { value } = await news.next();
    shown += (value as TailNews).spans.length;
    lost += (value as TailNews).droppedSpans;
  }
  expect([shown > 0, shown <= 30, shown + lost]).toEqual([true, true, 120]);
  expect(dropped.reduce((a, b) => a + b, 0)).toBe(lost);
});

test("bytes of a segment's spans are bounded too", async () => {
  const { tails, open } = setUp({ maxBytesPerSegment: 20_000 });
  const { news } = open("{} | select(span.text)");
  const text = "x".repeat(2000);
  const big = numbers(50).map((n) => span(n, { attributes: attributes({ text: text + n }) }));
  tails.onCommit([await segment(big)]);
  const { value } = await news.next();
  const { spans, droppedSpans } = value as TailNews;
  expect(spans.length).toBeLessThan(10);
  expect(spans.length + droppedSpans).toBe(50);
});

test("segments that pile up are skipped, oldest first, and told", async () => {
  const { tails, open } = setUp({ maxWaitingSegments: 2 });
  const { news } = open("{}");
  const metas = [];
  for (const n of numbers(5)) metas.push(await segment([span(n)]));
  tails.onCommit(metas);
  const seen: string[] = [];
  let skipped = 0;
  while (seen.length < 2) {
    const { value } = await news.next();
    seen.push(...namesOf(value));
    skipped += (value as TailNews).skippedSegments;
  }
  expect(seen).toEqual(["op 4", "op 5"]);
  expect(skipped).toBe(3);
});

test("a segment whose query fails is told as skipped, and the next is looked at", async () => {
  const { tails, open } = setUp();
  const { news } = open("{ name != nil }");
  const gone = await segment([span(1)]);
  await store.deleteFile(gone);
  tails.onCommit([gone]);
  expect((await news.next()).value).toMatchObject({ spans: [], skippedSegments: 1 });
  tails.onCommit([await segment([span(2)])]);
  expect(namesOf((await news.next()).value)).toEqual(["op 2"]);
});

test("too many tails are refused, of a tenant and of all; one that ends makes room", async () => {
  const { tails, open } = setUp({ maxTails: 3, maxTailsPerTenant: 2 });
  const first = open("{}", ["a"]);
  open("{}", ["a"]);
  expect(() => open("{}", ["a", "b"])).toThrow(/too many live tails of tenant a/);
  open("{}", ["b"]);
  expect(() => open("{}", ["c"])).toThrow(/too many live tails are open, the limit is 3/);
  first.client.abort();
  expect(tails.count).toBe(2);
  expect((await first.news.next()).done).toBe(true);
  open("{}", ["a"]);
});

test("a client that goes away ends the query that only it waits for", async () => {
  const real = store.database.chunks.bind(store.database);
  const started = Promise.withResolvers<AbortSignal>();
  store.database.chunks = (_sql, _onChunk, options) => {
    started.resolve(options!.signal!);
    return new Promise((_, reject) =>
      options!.signal!.addEventListener("abort", () => reject(new Error("aborted"))),
    );
  };
  try {
    const { tails, open } = setUp();
    const { client, news } = open("{}");
    tails.onCommit([await segment([span(1)])]);
    const signal = await started.promise;
    client.abort();
    expect(signal.aborted).toBe(true);
    expect((await news.next()).done).toBe(true);
  } finally {
    store.database.chunks = real;
  }
});

test("closing ends all tails, and no more are opened", async () => {
  const { tails, open } = setUp();
  const { news } = open("{}");
  const waiting = news.next();
  tails.close();
  expect((await waiting).done).toBe(true);
  expect(() => open("{}")).toThrow(/stopping/);
});
