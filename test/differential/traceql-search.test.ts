import { afterAll, beforeAll, expect, test } from "vitest";
import { SegmentStore } from "../query/segment-store.ts";
import { testSeed } from "../support/random.ts";
import { loadSpans, type Placed, spanText } from "./data-set.ts";
import { randomPipelineComparison, randomSearch } from "./generate/queries.ts";
import { Random } from "./generate/random.ts";
import { randomSpans } from "./generate/spans.ts";
import { queryText } from "./oracle/text.ts";
import { tracesOf } from "./oracle/trace.ts";
import type { Outcome } from "./outcome.ts";
import { runSearch, type SearchOptions } from "./search-case.ts";
import { type Case, shrink } from "./shrink.ts";

const SEED = testSeed();
/** Queries of each test. */
const CASES = Number(process.env.PINTAIL_DIFFERENTIAL_CASES ?? 500);
const QUERIES_PER_DATA_SET = 100;
const TRACES = 40;

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(async () => {
  await store.close();
});

/** Whole traces lie in one segment each, split ones anywhere. */
type Spread = "one segment" | "whole traces" | "split traces";

test.for<Spread>(["one segment", "whole traces", "split traces"])(
  `random searches over %s answer as the naive evaluator (PINTAIL_TEST_SEED=${SEED})`,
  { timeout: 600_000 },
  async (spread) => {
    const counts = { same: 0, refused: 0, different: 0, nonEmpty: 0 };
    for (let done = 0, round = 0; done < CASES; round++) {
      const r = new Random(SEED + 7919 * round);
      const placed = randomlyPlaced(r, spread);
      await loadSpans(store, placed, r.pick([undefined, 16]));
      const traces = tracesOf(placed.map(({ span }) => span));
      for (let q = 0; q < QUERIES_PER_DATA_SET && done < CASES; q++, done++) {
        const query = r.chance(0.05) ? randomPipelineComparison(r) : randomSearch(r);
        const options = {
          limit: r.pick([1, 3, 20, 1000]),
          spansPerSpanset: r.pick([0, 0, 1, 3, 100]),
        };
        const outcome = await runSearch(store, traces, query, options);
        counts[outcome.type]++;
        if (outcome.type === "same" && outcome.found > 0) counts.nonEmpty++;
        if (outcome.type === "different") {
          throw new Error(await report({ placed, query }, options, `${spread}, round ${round}`));
        }
      }
    }
    console.log(`seed ${SEED}, ${spread}:`, counts);
    // Queries that find nothing, or that nobody runs, would prove little.
    expect(counts.nonEmpty).toBeGreaterThan(CASES / 5);
    expect(counts.refused).toBeLessThan(CASES / 2);
  },
);

function randomlyPlaced(r: Random, spread: Spread): Placed[] {
  const segments = spread === "one segment" ? 1 : 2 + r.below(3);
  const home = new Map<string, number>();
  return randomSpans(r, TRACES).map((span) => {
    const segment = home.get(span.traceId) ?? r.below(segments);
    home.set(span.traceId, segment);
    return { span, segment: spread === "split traces" ? r.below(segments) : segment };
  });
}

/** The difference, on as few spans and as short a query as were found. */
async function report(found: Case, options: SearchOptions, where: string): Promise<string> {
  const run = async ({ placed, query }: Case): Promise<Outcome> => {
    await loadSpans(store, placed);
    return await runSearch(store, tracesOf(placed.map(({ span }) => span)), query, options);
  };
  const least = await shrink(found, async (candidate) => {
    // Not every simpler tree is a query.
    const outcome = await run(candidate).catch(() => undefined);
    return outcome?.type === "different";
  });
  const outcome = await run(least);
  const shown = (value: unknown) =>
    JSON.stringify(value, (_, v) => (typeof v === "bigint" ? String(v) : v), 1);
  return [
    `seed ${SEED}, ${where}, ${JSON.stringify(options)}: ${queryText(found.query)}`,
    `shortened: ${queryText(least.query)}`,
    ...least.placed.map(spanText),
    ...(outcome.type === "different"
      ? [`expected: ${shown(outcome.expected)}`, `actual: ${shown(outcome.actual)}`]
      : ["which is right when run alone"]),
  ].join("\n");
}
