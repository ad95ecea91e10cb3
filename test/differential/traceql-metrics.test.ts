import { afterAll, beforeAll, expect, test } from "vitest";
import { SegmentStore } from "../query/segment-store.ts";
import { testSeed } from "../support/random.ts";
import { loadSpans } from "./data-set.ts";
import { randomMetricsQuery } from "./generate/queries.ts";
import { Random } from "./generate/random.ts";
import { BASE } from "./generate/spans.ts";
import { type MetricsWindow, runMetrics } from "./metrics-case.ts";
import { type Grid, instantGrid, rangeGrid } from "./oracle/metrics.ts";
import {
  casesOf,
  difference,
  numberOf,
  QUERIES_PER_DATA_SET,
  randomlyPlaced,
  SPREADS,
  tracesIn,
  USUAL_SEED,
} from "./random-cases.ts";

const SEED = testSeed(USUAL_SEED);

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(async () => {
  await store.close();
});

const SECOND = 1_000_000_000n;

test.for(SPREADS)(
  `random metrics queries over %s answer as the naive evaluator (PINTAIL_TEST_SEED=${SEED})`,
  { timeout: 600_000 },
  async (spread) => {
    const cases = casesOf(spread);
    store.inBucket = spread === "a bucket";
    const counts = { same: 0, refused: 0, different: 0, nonEmpty: 0 };
    for (let done = 0, round = 0; done < cases; round++) {
      // Other spans and queries for each spread.
      const r = new Random(SEED + 7919 * round + 104_729 * numberOf(spread));
      const placed = randomlyPlaced(r, spread);
      await loadSpans(store, placed, r.pick([undefined, 16]));
      const traces = tracesIn(placed);
      for (let q = 0; q < QUERIES_PER_DATA_SET && done < cases; q++, done++) {
        const query = randomMetricsQuery(r, BASE + 60n * SECOND);
        const window = randomWindow(r);
        const outcome = await runMetrics(store, traces, query, window);
        counts[outcome.type]++;
        if (outcome.type === "same" && outcome.found > 0) counts.nonEmpty++;
        if (outcome.type === "different") {
          const { startUnixNano, stepNanos, buckets } = window.grid;
          const where = `seed ${SEED}, ${spread}, round ${round}, ${buckets} buckets of ${stepNanos} ns from ${startUnixNano}`;
          throw new Error(
            await difference(store, { placed, query }, where, (some, simpler) =>
              runMetrics(store, some, simpler, window),
            ),
          );
        }
      }
    }
    console.log(`seed ${SEED}, ${spread}:`, counts);
    // Queries that find nothing, or that nobody runs, would prove little.
    expect(counts.nonEmpty).toBeGreaterThan(cases / 5);
    expect(counts.refused).toBeLessThan(cases / 2);
  },
);

/** The spans lie in the ten minutes from `BASE`; the window covers much or little of that. */
function randomWindow(r: Random): MetricsWindow {
  return { ...randomGrid(r), maxTraceRows: r.pick([undefined, 1, 8, 40]) };
}

function randomGrid(r: Random): { grid: Grid; instant: boolean } {
  const start = BASE + BigInt(r.below(200)) * SECOND;
  const end = start + BigInt(100 + r.below(500)) * SECOND + BigInt(r.below(2));
  if (r.chance(0.3)) return { grid: instantGrid(start, end), instant: true };
  const step = BigInt(r.pick([7, 10, 30, 60, 300])) * SECOND;
  return { grid: rangeGrid(start, end, step), instant: false };
}
