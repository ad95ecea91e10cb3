import { afterEach, beforeEach, expect, test } from "vitest";
import { compileSearch } from "../../src/query/compile-search.ts";
import { QueryRecorder } from "../../src/query/query-recorder.ts";
import { type SearchRequest, searchTraces } from "../../src/query/search.ts";
import type { SearchResult } from "../../src/query/search-result.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../support/batch-builder.ts";
import { SegmentStore } from "./segment-store.ts";

const T0 = 1_767_225_600_000_000_000n;
const HOUR = 3_600_000_000_000n;
const SEGMENTS = 6;
const TRACES_PER_SEGMENT = 5;

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
  for (let hour = 0; hour < SEGMENTS; hour++) {
    const spans = Array.from({ length: TRACES_PER_SEGMENT }, (_, i) => {
      const startUnixNano = T0 + BigInt(hour) * HOUR + BigInt(i) * 1_000_000_000n;
      const of = (id: number, parent: number) =>
        aSpan({
          traceId: traceIdOf(hour * 100 + i + 1),
          spanId: spanIdOf(id),
          parentSpanId: parent === 0 ? "" : spanIdOf(parent),
          startUnixNano,
          endUnixNano: startUnixNano + 1_000_000n,
          name: `hour${hour}`,
          resource: aService(parent === 0 ? "front" : "back"),
        });
      return [of(1, 0), of(2, 1)];
    });
    await store.addBatch(batchOf(spans.flat()));
  }
});
afterEach(async () => {
  await store.close();
});

function search(query: string, more: Partial<SearchRequest> = {}): Promise<SearchResult> {
  return searchTraces(store.engine(), {
    tenants: ["single-tenant"],
    search: compileSearch(query, 10_000),
    range: undefined,
    limit: 1000,
    spansPerSpanset: 3,
    firstSliceRows: 2 * TRACES_PER_SEGMENT,
    ...more,
  });
}

async function partialsOf(query: string, more: Partial<SearchRequest> = {}) {
  const partials: SearchResult[] = [];
  const result = await search(query, {
    onPartial: async (partial) => {
      partials.push(partial);
    },
    ...more,
  });
  return { partials, result };
}

test.each([
  "{}",
  "{ resource.service.name = `front` } && { resource.service.name = `back` }",
  "{ resource.service.name = `front` } > {}",
  "{} | by(resource.service.name) | count() = 1",
])("partial results of %s are the whole result, newest first, each trace once", async (query) => {
  const { partials, result } = await partialsOf(query);
  expect(result.traces).toHaveLength(SEGMENTS * TRACES_PER_SEGMENT);
  expect(partials.flatMap(({ traces }) => traces)).toEqual(result.traces);
  const jobs = partials.map(({ stats }) => stats.completedJobs);
  expect(jobs).toEqual(jobs.toSorted((a, b) => a - b));
  expect(partials[0]?.stats).toMatchObject({ totalJobs: SEGMENTS, segmentCount: SEGMENTS });
  expect(result.stats.completedJobs).toBe(result.stats.totalJobs);
});

test("the first traces come before older segments are read", async () => {
  const seen: { traces: number; completed: number }[] = [];
  await search("{ resource.service.name = `front` } > {}", {
    onPartial: async ({ traces, stats }) => {
      seen.push({ traces: traces.length, completed: stats.completedJobs });
    },
  });
  expect(seen.find(({ traces }) => traces > 0)).toEqual({
    traces: TRACES_PER_SEGMENT,
    completed: 1,
  });
});

test("a search waits until its partial result was taken", async () => {
  let taken = 0;
  let statementsMeanwhile = 0;
  await search("{} > {}", {
    onPartial: async () => {
      const before = store.statements.length;
      await new Promise((resolve) => setTimeout(resolve, 20));
      statementsMeanwhile += store.statements.length - before;
      taken++;
    },
  });
  expect(taken).toBeGreaterThan(2);
  expect(statementsMeanwhile).toBe(0);
});

test("a partial result that cannot be taken ends the search", async () => {
  const failing = search("{}", { onPartial: () => Promise.reject(new Error("gone")) });
  await expect(failing).rejects.toThrow("gone");
});

test("of several tenants partial results have figures only", async () => {
  await store.addBatch(batchOf([aSpan({ traceId: traceIdOf(1), spanId: spanIdOf(1) })]), {
    tenant: "other",
  });
  const { partials, result } = await partialsOf("{}", { tenants: ["other", "single-tenant"] });
  expect(partials.length).toBeGreaterThan(1);
  expect(partials.flatMap(({ traces }) => traces)).toEqual([]);
  expect(partials.at(-1)?.stats.completedJobs).toBeGreaterThan(1);
  expect(result.traces.length).toBeGreaterThan(TRACES_PER_SEGMENT);
});

test("a second attempt gives no trace again", async () => {
  // The oldest segment's file goes when the first traces were given, and its successor comes.
  const { partials, result } = await (async () => {
    const partials: SearchResult[] = [];
    const oldest = store.segments[0]!;
    let gone = false;
    const result = await search("{ resource.service.name = `front` } > {}", {
      onPartial: async (partial) => {
        partials.push(partial);
        if (gone || partial.traces.length === 0) return;
        gone = true;
        await store.deleteFile(oldest);
        store.segments.splice(0, 1);
      },
    });
    return { partials, result };
  })();
  const given = partials.flatMap(({ traces }) => traces.map(({ traceId }) => traceId));
  expect(given).toHaveLength((SEGMENTS - 1) * TRACES_PER_SEGMENT);
  expect(given).toEqual(result.traces.map(({ traceId }) => traceId));
});

test("a recorder is told statements and what became of the segments", async () => {
  const recorder = new QueryRecorder();
  await search("{ name = `hour4` }", {
    recorder,
    limit: 3,
    range: { startUnixNano: T0 + HOUR, endUnixNano: T0 + 10n * HOUR },
  });
  const [segments] = recorder.segments;
  expect(recorder.segments).toHaveLength(1);
  expect(segments?.known).toHaveLength(SEGMENTS);
  expect(segments?.inRange).toHaveLength(SEGMENTS - 1);
  expect(segments?.possible.map(({ id }) => id)).toEqual([store.segments[4]!.id]);
  expect(segments?.read).toEqual(segments?.possible);
  expect(recorder.statementCount).toBe(recorder.statements.length);
  expect(recorder.statements.map(({ sql }) => sql).sort()).toEqual(store.statements.toSorted());
  for (const { durationMs, error } of recorder.statements) {
    expect(durationMs).toBeGreaterThan(0);
    expect(error).toBeUndefined();
  }
  expect(recorder.statements[0]?.rowCount).toBe(2 * TRACES_PER_SEGMENT);
});
