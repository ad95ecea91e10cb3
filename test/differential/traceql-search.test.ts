import { afterAll, beforeAll, expect, test } from "vitest";
import { SegmentStore } from "../query/segment-store.ts";
import { testSeed } from "../support/random.ts";
import { loadSpans } from "./data-set.ts";
import { randomPipelineComparison, randomSearch } from "./generate/queries.ts";
import { Random } from "./generate/random.ts";
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
import { runSearch } from "./search-case.ts";

const SEED = testSeed(USUAL_SEED);

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(async () => {
  await store.close();
});

test.for(SPREADS)(
  `random searches over %s answer as the naive evaluator (PINTAIL_TEST_SEED=${SEED})`,
  { timeout: 600_000 },
  async (spread) => {
    const cases = casesOf(spread);
    store.inBucket = spread === "a bucket";
    const counts = { same: 0, refused: 0, different: 0, nonEmpty: 0 };
    for (let done = 0, round = 0; done < cases; round++) {
      // Other spans and queries for each spread.
      const r = new Random(SEED + 7919 * round + 104_729 * numberOf(spread));
      const placed = randomlyPlaced(r, spread);
      // By turns what the catalog lists and what the filters tell decides which segments are read.
      store.listValues = round % 2 === 0;
      await loadSpans(store, placed, r.pick([undefined, 16]));
      const traces = tracesIn(placed);
      for (let q = 0; q < QUERIES_PER_DATA_SET && done < cases; q++, done++) {
        const query = r.chance(0.05) ? randomPipelineComparison(r) : randomSearch(r);
        const options = {
          limit: r.pick([1, 3, 20, 1000]),
          spansPerSpanset: r.pick([0, 0, 1, 3, 100]),
        };
        const outcome = await runSearch(store, traces, query, options);
        counts[outcome.type]++;
        if (outcome.type === "same" && outcome.found > 0) counts.nonEmpty++;
        if (outcome.type === "different") {
          const where = `seed ${SEED}, ${spread}, round ${round}, ${JSON.stringify(options)}`;
          throw new Error(
            await difference(store, { placed, query }, where, (some, simpler) =>
              runSearch(store, some, simpler, options),
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
