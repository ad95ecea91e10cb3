import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { compileSearch } from "../../src/query/compile-search.ts";
import type { MetricsGrid } from "../../src/query/metrics/grid.ts";
import { QueryRecorder } from "../../src/query/query-recorder.ts";
import { searchTraces } from "../../src/query/search.ts";
import { SegmentFilters } from "../../src/storage/segments/filters/segment-filters.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../support/batch-builder.ts";
import type { PlainSpan } from "../support/read-batch.ts";
import { linesOf, runMetrics } from "./metrics/run-metrics.ts";
import { SegmentStore } from "./segment-store.ts";

const START = 1_700_000_000_000_000_000n;
const SECOND = 1_000_000_000n;
const SEGMENTS = 60;
const TRACES = 12;
const GRID: MetricsGrid = { startUnixNano: START, stepNanos: 600n * SECOND, count: 2 };

let store: SegmentStore;

/**
 * Segments one after the other in time. Every span has a user of its own; a shop is in all of them,
 * `rare` in one of ten, on users of which each is in one segment. Sizes, ratios and durations grow.
 */
beforeAll(async () => {
  store = await SegmentStore.open();
  store.listValues = false;
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const spans: PlainSpan[] = [];
    for (let i = 0; i < 2 * TRACES; i++) {
      const n = segment * TRACES + (i >> 1);
      const start = START + BigInt(n) * SECOND + BigInt(i % 2);
      spans.push(
        aSpan({
          traceId: traceIdOf(n + 1),
          spanId: spanIdOf(2 * n + (i % 2) + 1),
          parentSpanId: i % 2 === 0 ? "" : spanIdOf(2 * n + 1),
          name: `op ${i}`,
          startUnixNano: start,
          endUnixNano: start + 1000n * BigInt(1 + segment),
          attributes: [
            { key: "user", value: `user ${n}.${i % 2}` },
            { key: "shop", value: `shop ${i}` },
            { key: "size", value: BigInt(n) },
            { key: "ratio", value: n / 8 },
            ...(segment % 10 === 4 ? [{ key: "rare", value: `thing ${i}` }] : []),
          ],
          resource: aService("front"),
        }),
      );
    }
    await store.addBatch(batchOf(spans));
  }
});
afterAll(() => store.close());
beforeEach(() => {
  store.useFilters = true;
  store.statements.length = 0;
});

async function search(query: string, more: { limit?: number; recorder?: QueryRecorder } = {}) {
  const { traces } = await searchTraces(store.engine(), {
    tenants: ["single-tenant"],
    search: compileSearch(query, 100_000),
    range: undefined,
    limit: more.limit ?? 20,
    spansPerSpanset: 3,
    firstSliceRows: 100,
    recorder: more.recorder,
  });
  return traces;
}

/** Segments that statements read. */
function filesRead(): number {
  const names = store.statements.join(" ").matchAll(/01SEGMENT[0-9]+\.parquet/g);
  return new Set(Array.from(names, ([name]) => name)).size;
}

/** Statements that look for spans of whole traces. */
function wholeSearches(): number {
  return store.statements.filter((sql) => sql.startsWith("WITH spans AS")).length;
}

const ABSENT = "{ span.user = `nobody` }";

describe("a search", () => {
  test("for a value that is nowhere runs next to no statement", async () => {
    store.useFilters = false;
    expect(await search(ABSENT)).toEqual([]);
    expect(filesRead()).toBe(SEGMENTS);
    store.useFilters = true;
    store.statements.length = 0;
    expect(await search(ABSENT)).toEqual([]);
    // Filters err once in some 50 times.
    expect(filesRead()).toBeLessThan(SEGMENTS / 5);
  });

  test("for a value that is in one place reads that", async () => {
    const found = await search("{ span.user = `user 77.1` }");
    expect(found.map(({ traceId }) => traceId)).toEqual([traceIdOf(78)]);
    expect(filesRead()).toBeLessThan(SEGMENTS / 5);
  });

  test.each(["duration > 100h", "span.size < 0", "span.ratio > 1e9", ".ratio = -0.01"])(
    "for numbers that are nowhere runs no statement: %s",
    async (condition) => {
      store.useFilters = false;
      expect(await search(`{ ${condition} }`)).toEqual([]);
      expect(filesRead()).toBe(SEGMENTS);
      store.useFilters = true;
      store.statements.length = 0;
      expect(await search(`{ ${condition} }`)).toEqual([]);
      expect(filesRead()).toBe(0);
    },
  );

  test.each([
    "span.size = 300",
    "300 >= .size && .size >= 300",
    "span.ratio = 37.5",
    "duration = 26us",
  ])("for numbers that are in one place reads that: %s", async (condition) => {
    expect(await search(`{ ${condition} }`)).not.toEqual([]);
    expect(filesRead()).toBe(1);
  });

  test.each([
    ...["traceDuration > 100h", "span:childCount > 9", "nestedSetParent < -1"],
    ...["nestedSetLeft > 99", "nestedSetRight > 99"],
  ])(
    "for numbers of traces that are nowhere runs no statement but for split traces: %s",
    async (c) => {
      store.useFilters = false;
      expect(await search(`{ ${c} }`)).toEqual([]);
      expect(wholeSearches()).toBeGreaterThan(0);
      store.useFilters = true;
      store.statements.length = 0;
      expect(await search(`{ ${c} }`)).toEqual([]);
      expect(wholeSearches()).toBe(0);
    },
  );

  test("for a number of traces that are in one place finds them", async () => {
    // From the start of the first span, which is as long, to the end of the second.
    expect(await search("{ traceDuration = 26001ns }")).toHaveLength(TRACES);
  });

  test("for a common value asks no more segments than it reads", async () => {
    const opened = new Set<string>();
    const filters = store.filters;
    store.filters = countingFilters(opened);
    const found = await search("{ span.shop = `shop 3` }", { limit: 1 });
    expect(found).toHaveLength(1);
    expect(opened.size).toBe(1);
    store.filters = filters;
  });

  test("that is over stops asking", async () => {
    const opened = new Set<string>();
    const filters = store.filters;
    const controller = new AbortController();
    store.filters = countingFilters(opened, () => {
      if (opened.size === 3) controller.abort();
    });
    const over = searchTraces(store.engine(), {
      tenants: ["single-tenant"],
      search: compileSearch(ABSENT, 1000),
      range: undefined,
      limit: 20,
      spansPerSpanset: 3,
      signal: controller.signal,
    });
    await expect(over).rejects.toMatchObject({ kind: "canceled" });
    expect(opened.size).toBeLessThan(20);
    store.filters = filters;
  });

  test("tells what was ruled out", async () => {
    const recorder = new QueryRecorder();
    await search(ABSENT, { recorder });
    const [segments] = recorder.segments;
    expect(segments?.possible).toHaveLength(SEGMENTS);
    expect(segments!.ruledOut.length + segments!.read.length).toBe(SEGMENTS);
    expect(segments!.read.length).toBe(filesRead());
    const ofNumbers = new QueryRecorder();
    await search("{ duration > 100h }", { recorder: ofNumbers });
    expect(ofNumbers.segments[0]?.ruledOut).toHaveLength(SEGMENTS);
  });
});

/** Filters that note which segments they open. */
function countingFilters(opened: Set<string>, onOpen: () => void = () => {}): SegmentFilters {
  const inner = store.filters;
  const scanOf = inner.scan.bind(inner);
  const filters = new SegmentFilters({ openFile: async () => undefined });
  filters.scan = () => {
    const scan = scanOf();
    return {
      known: () => undefined,
      read: (meta, columns, signal) => {
        opened.add(meta.id);
        onOpen();
        return scan.read(meta, columns, signal);
      },
    };
  };
  return filters;
}

const USER = "span.user = `user 300.1`";
const ELSEWHERE = "span.user = `user 301.0`";

test.each([
  ABSENT,
  `{ ${USER} }`,
  "{ .user = `user 5.0` }",
  "{ span.shop = `shop 3` }",
  "{ span.rare = `thing 2` }",
  `{ ${USER} || ${ELSEWHERE} }`,
  `{ ${USER} && span.rare = \`thing 2\` }`,
  `{ ${USER} } && { span.shop = \`shop 0\` }`,
  `{ ${USER} } && ${ABSENT}`,
  `{ ${USER} } || ${ABSENT}`,
  `{ ${USER} } || { ${ELSEWHERE} }`,
  `{ } > { ${USER} }`,
  `{ ${USER} } >> { }`,
  `{ } !> { ${USER} }`,
  `{ ${USER} } << { } && ${ABSENT}`,
  "{ span.rare = `thing 3` } ~ { span.rare = `thing 4` }",
  `({ } | count() > 1) && { ${USER} }`,
  "{ span.rare =~ `thing 2|thing 4` } | count() = 1",
  "{ parent.span.user = `user 300.0` }",
  "{ parent.span.user = `nobody` }",
  `{ ${USER} && parent.span.user = \`user 300.0\` }`,
  "{ trace:id = `12c` }",
  "{ name = `op 5` && span.user = `user 302.1` }",
  "{ duration > 40us }",
  "{ .size > 300 && span.ratio < 38 }",
  "{ .size > 300 || span.ratio < 0 }",
  `{ .size = 300 && ${USER} }`,
  "{ span.size = 300 } && { span.ratio > 1e9 }",
  "{ span.size = 300 } > { span.size = 300 }",
  "{ parent.span.size = 300 }",
])("%s finds the same with filters and without them", async (query) => {
  store.useFilters = false;
  const wanted = await search(query);
  store.useFilters = true;
  expect(await search(query)).toStrictEqual(wanted);
});

test.each([
  `${ABSENT} | rate()`,
  `{ ${USER} } | rate()`,
  `{ ${USER} } | count_over_time() by (span.shop)`,
  "{ span.shop = `shop 3` } | count_over_time()",
  "{ span.rare = `thing 2` || span.user = `user 1.1` } | avg_over_time(duration)",
  `{ ${USER} } && { span.shop = \`shop 0\` } | count_over_time()`,
  `{ ${USER} } && ${ABSENT} | count_over_time()`,
  `{ } > { ${USER} } | count_over_time() by (name)`,
  "{ parent.span.user = `user 300.0` } | count_over_time()",
  `{ ${USER} } | select(parent.span.shop) | count_over_time() by (parent.span.shop)`,
  `{ } | compare({ ${USER} })`,
  `{ span.rare != nil } | compare(${ABSENT})`,
  `{ ${USER} } | compare({ span.shop = \`shop 1\` })`,
  "{ span.size < 0 } | rate()",
  "{ span.size >= 717 } | avg_over_time(span.ratio)",
  "{ duration < 3us } | compare({ span.size < 4 })",
])("%s gives the same with filters and without them", async (query) => {
  store.useFilters = false;
  const wanted = linesOf(await runMetrics(store, query, GRID));
  store.useFilters = true;
  expect(linesOf(await runMetrics(store, query, GRID))).toEqual(wanted);
});

test("metrics of a value that is in one place read that", async () => {
  const found = linesOf(await runMetrics(store, `{ ${USER} } | count_over_time()`, GRID));
  expect(found).toHaveLength(1);
  expect(filesRead()).toBeLessThan(SEGMENTS / 5);
});

test("metrics of numbers that are in one place read that", async () => {
  const query = "{ span.size > 300 && span.size < 302 } | count_over_time()";
  expect(linesOf(await runMetrics(store, query, GRID))).toHaveLength(1);
  expect(filesRead()).toBe(1);
});

test("metrics of a common value ask few segments", async () => {
  const opened = new Set<string>();
  const filters = store.filters;
  store.filters = countingFilters(opened);
  await runMetrics(store, "{ span.shop = `shop 3` } | rate()", GRID);
  expect(opened.size).toBeLessThan(SEGMENTS / 2);
  store.filters = filters;
});
