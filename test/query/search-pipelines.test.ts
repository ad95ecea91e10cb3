import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { compileSearch } from "../../src/query/compile-search.ts";
import { type SearchRequest, searchTraces } from "../../src/query/search.ts";
import type { FoundTrace } from "../../src/query/search-result.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../support/batch-builder.ts";
import type { PlainSpan, PlainValue } from "../support/read-batch.ts";
import { SegmentStore } from "./segment-store.ts";

const T0 = 1_767_225_600_000_000_000n;
const MS = 1_000_000n;

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(async () => {
  await store.close();
});

function span(
  trace: number,
  id: number,
  parent: number,
  over: Partial<PlainSpan> & { readonly a?: PlainValue } = {},
): PlainSpan {
  const { a, ...rest } = over;
  const startUnixNano = T0 + BigInt(trace) * 1000n * MS + BigInt(id) * MS;
  return aSpan({
    traceId: traceIdOf(trace),
    spanId: spanIdOf(id),
    parentSpanId: parent === 0 ? "" : spanIdOf(parent),
    startUnixNano,
    endUnixNano: startUnixNano + 10n * MS,
    name: `op${id}`,
    resource: aService("shop"),
    attributes: a === undefined ? [] : [{ key: "a", value: a }],
    ...rest,
  });
}

async function search(query: string, more: Partial<SearchRequest> = {}): Promise<string[]> {
  const { traces } = await searchTraces(store.engine(), {
    tenants: ["single-tenant"],
    search: compileSearch(query, 100_000),
    range: undefined,
    limit: 20,
    spansPerSpanset: 0,
    ...more,
  });
  return traces.map(shown);
}

/** `1: 1 2 [count()=2]` */
function shown({ traceId, spansets }: FoundTrace): string {
  const sets = (spansets ?? []).map(({ spans, attributes }) => {
    const values = attributes.map(({ key, value }) => `${key}=${Object.values(value)[0]}`);
    return `${spans.map(({ spanId }) => spanId).join(" ")} [${values.join(", ")}]`;
  });
  return `${BigInt(`0x${traceId}`)}: ${sets.join(" ; ")}`;
}

describe("a span that was sent twice counts once", () => {
  const copy = span(1, 1, 0, { a: 5n, kind: 2 });
  const spans = [copy, span(1, 2, 1, { a: 1n })];
  test.each([
    ["in one segment", [[...spans, copy]]],
    ["in two segments", [spans, [copy]]],
  ])("%s", async (_, segments) => {
    for (const part of segments) await store.addBatch(batchOf(part));
    expect(await search("{} | count() = 2")).toEqual(["1: 1 2 [count()=2]"]);
    expect(await search("{} | count() > 2")).toEqual([]);
    expect(await search("{} | avg(span.a) = 3")).toEqual(["1: 1 2 [avg(span.a)=3]"]);
    expect(await search("{} | sum(span.a) > 6")).toEqual([]);
    expect(await search("{} > {}")).toEqual(["1: 2 []"]);
    // Asked again, nothing needs to be found out about the segments.
    const before = store.statements.length;
    await search("{} | count() = 2");
    const asked = store.statements.slice(before);
    expect(asked.filter((sql) => sql.includes("SELECT DISTINCT file"))).toEqual([]);
  });
});

describe("a parent's attributes", () => {
  test.each([
    ["of the same type", 7n, 8n],
    ["of another type", 7n, "x"],
  ])("are found in another segment where the key is %s", async (_, parents, other) => {
    await store.addBatch(batchOf([span(1, 1, 0, { a: parents })]));
    await store.addBatch(
      batchOf([span(1, 2, 1), ...[3, 4, 5].map((id) => span(2, id, 0, { a: other }))]),
    );
    expect(await search("{ parent.span.a = 7 }")).toEqual(["1: 2 []"]);
    expect(await search("{} | select(parent.span.a)")).toHaveLength(2);
    expect(await search("{ span.a = 7 } > {}")).toEqual(["1: 2 []"]);
  });

  test("keys that differ by letter case are not mixed up", async () => {
    const both = {
      attributes: [
        { key: "k", value: 1n },
        { key: "K", value: 2n },
      ],
    };
    await store.addBatch(batchOf([span(1, 1, 0, both)]));
    await store.addBatch(batchOf([span(1, 2, 1)]));
    expect(await search("{ parent.span.k = 1 && parent.span.K = 2 }")).toEqual(["1: 2 []"]);
    expect(await search("{ parent.span.k = 2 || parent.span.K = 1 }")).toEqual([]);
  });
});

test("a filter on the root finds spans of a segment that does not hold it", async () => {
  await store.addBatch(batchOf([span(1, 1, 0, { name: "root" }), span(2, 1, 0)]));
  await store.addBatch(batchOf([span(1, 2, 1, { a: 1n })]));
  expect(await search("{ rootName = `root` && span.a = 1 }")).toEqual(["1: 2 []"]);
  expect(await search("{ rootName = `op1` && span.a = 1 }")).toEqual([]);
  expect(await search("{ traceDuration > 10ms }")).toEqual(["1: 1 2 []"]);
});

test("a trace is found that starts in a slice where its segment with a match is not", async () => {
  const later = Array.from({ length: 30 }, (_, i) => span(100 + i, 1, 0, { a: 1n }));
  const child = span(90, 2, 1, { a: 1n, startUnixNano: T0 + 100_000n * MS });
  await store.addBatch(batchOf([span(90, 1, 0)]));
  await store.addBatch(batchOf([child, ...later]));
  await store.addBatch(batchOf([span(1, 1, 0, { a: 1n })]));
  const query = "{ nestedSetParent > 0 && span.a = 1 }";
  expect(await search(query, { firstSliceRows: 20 })).toEqual(["90: 2 []"]);
});

test("a trace of which one part alone would match is judged as a whole", async () => {
  await store.addBatch(batchOf([span(1, 1, 0), span(1, 2, 1)]));
  await store.addBatch(batchOf([span(1, 3, 1), span(2, 1, 0), span(2, 2, 1)]));
  expect(await search("{} | count() = 2")).toEqual(["2: 1 2 [count()=2]"]);
  expect(await search("{ name = `op1` } !> {}")).toEqual(["2: 1 []", "1: 1 []"]);
  expect(await search("{} | count() > 1", { firstSliceRows: 1 })).toEqual([
    "2: 1 2 [count()=2]",
    "1: 1 2 3 [count()=3]",
  ]);
});

test("more matches than are asked for are found when they are asked for", async () => {
  const traces = Array.from({ length: 100 }, (_, i) => [span(i + 1, 1, 0), span(i + 1, 2, 1)]);
  await store.addBatch(batchOf(traces.flat()));
  expect(await search("{} > {}", { limit: 1 })).toEqual(["100: 2 []"]);
  expect(await search("{} > {}", { limit: 60 })).toHaveLength(60);
  expect(await search("{} > {}", { limit: 2 ** 32 - 1 })).toHaveLength(100);
});

test("where a match must be and is not, the other spans are not looked at", async () => {
  await store.addBatch(batchOf([span(1, 1, 0, { a: 1n }), span(1, 2, 1, { a: 2n })]));
  expect(await search("{ span.a = 2 && kind = server } >> {}")).toEqual([]);
  expect(
    store.statements.filter((sql) => sql.includes("AS value") || sql.includes("WITH")),
  ).toEqual([]);
  expect(await search("{ span.a = 1 } >> {}")).toEqual(["1: 2 []"]);
});
