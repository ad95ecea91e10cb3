import { afterEach, beforeEach, expect, test } from "vitest";
import { compileSearch } from "../../src/query/compile-search.ts";
import { searchTraces } from "../../src/query/search.ts";
import { aSpan, attributes, hex } from "../support/otlp-builder.ts";
import { type RequestInit, SegmentStore } from "./segment-store.ts";

const T0 = 1_700_000_000_000_000_000n;
const HOUR = 3_600_000_000_000n;

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(async () => {
  await store.close();
});

function request(traceId: string, spanId: string, start: bigint, end = start): RequestInit {
  const span = aSpan({
    traceId: hex(traceId.padStart(32, "0")),
    spanId: hex(spanId.padStart(16, "0")),
    startTimeUnixNano: start,
    endTimeUnixNano: end,
  });
  return { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] };
}

function search(query: string) {
  return searchTraces(store.engine(), {
    tenants: ["single-tenant"],
    search: compileSearch(query, 1_000_000),
    range: undefined,
    limit: 1,
    spansPerSpanset: 3,
  });
}

test("segments far from a trace are not asked whether they hold it", async () => {
  await store.add([request("1", "1", T0)]);
  const far = await store.add([request("2", "2", T0 - 3n * HOUR)]);
  const filter = far.traceFilter;
  let asked = 0;
  Object.defineProperty(far, "traceFilter", {
    enumerable: false,
    get() {
      asked++;
      return filter;
    },
  });
  expect((await search("{ trace:id = `1` }")).traces).toHaveLength(1);
  expect(asked).toBe(0);
});

test("a segment is asked once for a trace, also when what is found brings more segments near", async () => {
  const all = [
    await store.add([request("1", "3", T0 + 2n * HOUR)]),
    await store.add([request("1", "2", T0 + HOUR, T0 + (3n * HOUR) / 2n)]),
    // Near to the part that is found first, and without one of its own.
    await store.add([request("2", "4", T0 + HOUR)]),
    await store.add([request("1", "1", T0)]),
  ];
  const asked = new Map<string, number>();
  for (const meta of all) {
    const filter = meta.traceFilter;
    Object.defineProperty(meta, "traceFilter", {
      enumerable: false,
      get() {
        asked.set(meta.id, (asked.get(meta.id) ?? 0) + 1);
        return filter;
      },
    });
  }
  const { traces } = await search("{ trace:id = `1` }");
  expect(traces).toMatchObject([{ startUnixNano: T0, spansets: [{ matchedCount: 3 }] }]);
  expect(all.map(({ id }) => asked.get(id))).toEqual([1, 1, 1, 1]);
});

test("each part that is found brings the segments near it into reach", async () => {
  // The end of one part leads to the next, which is too far from the first.
  await store.add([request("1", "3", T0 + 3n * HOUR)]);
  await store.add([request("1", "2", T0 + HOUR, T0 + 2n * HOUR)]);
  await store.add([request("1", "1", T0, T0 + HOUR / 2n)]);
  const { traces } = await search("{}");
  expect(traces).toMatchObject([
    { startUnixNano: T0, durationNanos: 3n * HOUR, spansets: [{ matchedCount: 3 }] },
  ]);
});

test("a nameless span that is the child of a linked one is not the root of a trace in two segments", async () => {
  const traceId = hex("1".padStart(32, "0"));
  const link = {
    traceId,
    spanId: hex("2".padStart(16, "0")),
    attributes: attributes({ "opentracing.ref_type": "child_of" }),
  };
  const times = { startTimeUnixNano: T0, endTimeUnixNano: T0 };
  for (const span of [
    { spanId: hex("1".padStart(16, "0")), name: "", links: [link] },
    { spanId: hex("2".padStart(16, "0")), name: "auth" },
  ]) {
    const spans = [aSpan({ ...span, ...times, traceId })];
    await store.add([{ resourceSpans: [{ scopeSpans: [{ spans }] }] }]);
  }
  expect((await search("{}")).traces).toMatchObject([{ rootSpanName: "auth" }]);
});
