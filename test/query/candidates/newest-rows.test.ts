import { afterAll, beforeAll, expect, test } from "vitest";
import { compileSearch } from "../../../src/query/compile-search.ts";
import { QueryRecorder } from "../../../src/query/query-recorder.ts";
import { searchTraces } from "../../../src/query/search.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../../support/batch-builder.ts";
import { SegmentStore } from "../segment-store.ts";

const START = 1_700_000_000_000_000_000n;
const SEGMENTS = 60;
/** Of one span each. */
const TRACES = 10;

let store: SegmentStore;

/** Small segments, one after the other in time; two traces of each are slow, one in all is slowest. */
beforeAll(async () => {
  store = await SegmentStore.open();
  // Which segments are read then depends on what is found in them, not on their bounds.
  store.useFilters = false;
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const spans = Array.from({ length: TRACES }, (_, i) => {
      const n = segment * TRACES + i;
      const startUnixNano = START + BigInt(n) * 1_000_000_000n;
      const duration = n === 7 ? 9000n : i % 5 === 0 ? 5000n : 1000n;
      return aSpan({
        traceId: traceIdOf(n + 1),
        spanId: spanIdOf(n + 1),
        startUnixNano,
        endUnixNano: startUnixNano + duration,
        resource: aService("front"),
      });
    });
    await store.addBatch(batchOf(spans));
  }
});
afterAll(() => store.close());

/** Ids, how many segments were read for them, and by how many statements. */
async function search(query: string, limit: number, partials = false) {
  const recorder = new QueryRecorder();
  const { traces } = await searchTraces(store.engine(), {
    tenants: ["single-tenant"],
    search: compileSearch(query, 100_000),
    range: undefined,
    limit,
    spansPerSpanset: 3,
    firstSliceRows: 100,
    recorder,
    onPartial: partials ? async () => {} : undefined,
  });
  const looks = recorder.statements.filter(({ sql }) =>
    /ORDER BY [a-z_()]+ DESC, trace_id LIMIT/.test(sql),
  );
  return {
    ids: traces.map(({ traceId }) => traceId),
    read: recorder.segments[0]!.read.length,
    looks: looks.length,
    statements: recorder.statementCount,
  };
}

const slow = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => traceIdOf(SEGMENTS * TRACES - 5 * (i + 1) + 1));

test("a common match is found in the newest segment", async () => {
  const { ids, read, looks } = await search("{ duration > 4us }", 2);
  expect(ids).toEqual(slow(2));
  expect({ read, looks }).toEqual({ read: 1, looks: 1 });
});

test("after the first matches so many segments are read as the rest should be in, and half as many", async () => {
  const { ids, read, looks } = await search("{ duration > 4us }", 20);
  expect(ids).toEqual(slow(20));
  // Two in the first of them, so that the other 18 should be in nine more.
  expect({ read, looks }).toEqual({ read: 1 + 14, looks: 2 });
});

test("while there is no match small segments are read many at a time", async () => {
  const { ids, read, looks } = await search("{ duration > 8us }", 20);
  expect(ids).toEqual([traceIdOf(8)]);
  expect({ read, looks }).toEqual({ read: SEGMENTS, looks: 3 });
});

test("the order is a column's while there may be many matches, and none's while there are few", async () => {
  const large = await SegmentStore.open();
  try {
    large.useFilters = false;
    for (let segment = 0; segment < 3; segment++) {
      const spans = Array.from({ length: 600 }, (_, i) => {
        const n = 600 * segment + i + 1;
        const startUnixNano = START + BigInt(n) * 1_000_000n;
        const endUnixNano = startUnixNano + (n === 5 ? 9000n : 1000n);
        const ids = { traceId: traceIdOf(n), spanId: spanIdOf(n) };
        return aSpan({ ...ids, startUnixNano, endUnixNano, resource: aService("front") });
      });
      await large.addBatch(batchOf(spans));
    }
    const recorder = new QueryRecorder();
    const { traces } = await searchTraces(large.engine(), {
      tenants: ["single-tenant"],
      search: compileSearch("{ duration > 8us }", 100_000),
      range: undefined,
      limit: 20,
      spansPerSpanset: 3,
      firstSliceRows: 100,
      recorder,
    });
    expect(traces.map(({ traceId }) => traceId)).toEqual([traceIdOf(5)]);
    const orders = recorder.statements.flatMap(
      ({ sql }) => /ORDER BY (\S+) DESC, trace_id LIMIT/.exec(sql)?.[1] ?? [],
    );
    expect(orders[0]).toBe("trace_start");
    expect(orders.slice(1)).not.toEqual([]);
    expect(new Set(orders.slice(1))).toEqual(new Set(["epoch_ns(trace_start)"]));
  } finally {
    await large.close();
  }
});

test("whole traces are looked at once, unless somebody waits for the first ones", async () => {
  const late = await search("{ duration > 4us }", 20);
  const early = await search("{ duration > 4us }", 20, true);
  expect(early.ids).toEqual(late.ids);
  expect(late.statements).toBeLessThan(early.statements);
});
