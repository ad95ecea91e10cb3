import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rangeGrid } from "../../../../src/query/metrics/grid.ts";
import { loadSpans, type Placed } from "../../../differential/data-set.ts";
import { Random } from "../../../differential/generate/random.ts";
import { BASE, randomSpans } from "../../../differential/generate/spans.ts";
import { aService, aSpan, traceIdOf } from "../../../support/batch-builder.ts";
import { testSeed } from "../../../support/random.ts";
import { SegmentStore } from "../../segment-store.ts";
import { linesOf, runMetrics } from "../run-metrics.ts";

const SEED = testSeed(7);
const SECOND = 1_000_000_000n;
const OFF = { nowMs: 0, endCutoffMs: 0, maxDurationMs: 0, maxIntervals: 0 };

const QUERIES = [
  "{ } | compare({ status = error })",
  "{ } | compare({ kind = server }, 2)",
  "{ status != error } | compare({ duration > 100ms }, 100)",
  "{ } >> { } | compare({ status = error })",
  "{ kind = server } | compare({ event:name != nil })",
  `{ } | compare({ }, 5, ${BASE + 20n * SECOND}, ${BASE + 60n * SECOND})`,
];

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(async () => {
  await store.close();
});
beforeEach(() => {
  store.clear();
  store.inBucket = false;
});

async function counted(query: string, grid: ReturnType<typeof rangeGrid>, byPages: boolean) {
  store.useCounter = byPages;
  try {
    return linesOf(await runMetrics(store, query, grid)).sort();
  } finally {
    store.useCounter = true;
  }
}

const statementsOf = (kind: string) => store.statements.filter((sql) => sql.includes(kind)).length;

describe("counting from pages", () => {
  test.for(["whole", "split", "in a bucket", "hidden"])(
    `gives what grouping rows gives: %s (PINTAIL_TEST_SEED=${SEED})`,
    { timeout: 240_000 },
    async (kind) => {
      const r = new Random(SEED);
      for (let round = 0; round < 2; round++) {
        const traces = randomSpans(r, 25);
        const placed = traces.map((span): Placed => {
          const trace = Number.parseInt(span.traceId.slice(-4), 16);
          return { span, segment: kind === "split" ? r.below(3) : trace % 3 };
        });
        store.inBucket = kind === "in a bucket";
        await loadSpans(store, placed, r.pick([undefined, 16]));
        if (kind === "hidden") store.hide([placed[0]!.span.traceId]);
        const startUnixNano = BASE + BigInt(r.below(60)) * SECOND;
        const length = { startUnixNano, endUnixNano: startUnixNano + 90n * SECOND };
        const grid = rangeGrid({ ...length, stepNanos: r.pick([7n, 90n]) * SECOND }, OFF);
        for (const query of QUERIES) {
          const expected = await counted(query, grid, false);
          expect(await counted(query, grid, true), `${query}, round ${round}`).toEqual(expected);
        }
      }
    },
  );

  test("groups no rows by the values of columns", async () => {
    const spans = Array.from({ length: 300 }, (_, i) =>
      aSpan({
        traceId: traceIdOf(i + 1),
        name: `op ${i % 3}`,
        startUnixNano: BASE + BigInt(i) * SECOND,
        endUnixNano: BASE + BigInt(i) * SECOND,
        attributes: [
          { key: "user", value: `u${i}` },
          // Too seldom to have a column of its own.
          ...(i % 99 === 1 ? [{ key: "rank", value: 7n }] : []),
        ],
        resource: aService("shop"),
      }),
    );
    await loadSpans(
      store,
      spans.map((span) => ({ span, segment: 0 })),
    );
    const range = { startUnixNano: BASE - SECOND, endUnixNano: BASE + 299n * SECOND };
    const grid = rangeGrid({ ...range, stepNanos: 300n * SECOND }, OFF);
    store.statements.length = 0;
    const found = await counted('{ } | compare({ name = "op 1" }, 1)', grid, true);
    const lines = found.map((line) => line.replace(/: (0 )+/, ": "));
    expect(lines).toContain('__meta_type="selection" name="op 1": 100');
    expect(lines).toContain('__meta_type="selection_total" span.user="nil": 100');
    expect(lines).toContain('__meta_type="selection" span.user="u1": 1');
    expect(statementsOf("bitstring_agg")).toBe(1);
    expect(lines).toContain('__meta_type="selection" span.rank=7: 4');
    expect(statementsOf("GROUPING SETS")).toBe(0);
    expect(statementsOf("map_entries")).toBe(0);
  });
});
