import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { instantGrid } from "../../../src/query/metrics/grid.ts";
import { log2Quantile } from "../../../src/query/metrics/log2-quantile.ts";
import { aSpan, attributes } from "../../support/otlp-builder.ts";
import { testSeed } from "../../support/random.ts";
import { SegmentStore } from "../segment-store.ts";
import { runMetrics } from "./run-metrics.ts";

const SEED = testSeed();
const T0 = 1_700_000_000_000_000_000n;
const GRID = instantGrid(
  { startUnixNano: T0, endUnixNano: T0 + 1_000_000_000n },
  { maxDurationMs: 0 },
);

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(async () => {
  await store.close();
});

test.each([
  [[], 0.5, 0],
  [[[3, 1]], 0, 8],
  [[[3, 1]], 1, 8],
  [[[3, 2]], 0.5, 2 ** 2.5],
  [
    [
      [27, 1],
      [29, 2],
    ],
    0.5,
    2 ** 28,
  ],
] as [[number, number][], number, number][])(
  "of %j the quantile %d is %d",
  (buckets, quantile, expected) => {
    const all = buckets.map(([exponent, count]) => ({ exponent, count }));
    expect(log2Quantile(quantile, all)).toBeCloseTo(expected, 9);
  },
);

/** Values near powers of two, where buckets begin and end. */
const value = fc
  .tuple(fc.integer({ min: 0, max: 62 }), fc.bigInt(-2n, 2n))
  .map(([exponent, offset]) => 2n ** BigInt(exponent) + offset);

test(`buckets and quantiles of stored values equal those computed one by one (PINTAIL_TEST_SEED=${SEED})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(value, { minLength: 1, maxLength: 40 }),
      fc.double({ min: 0, max: 1, noNaN: true }).map((q) => Number(q.toFixed(3))),
      async (values, quantile) => {
        store.clear();
        const spans = values.map((x) =>
          aSpan({ startTimeUnixNano: T0 + 1n, attributes: attributes({ x }) }),
        );
        await store.add([{ resourceSpans: [{ scopeSpans: [{ spans }] }] }]);
        const counts = new Map<bigint, number>();
        for (const x of values) {
          if (x < 2n) continue;
          let bound = 2n;
          while (bound < x) bound *= 2n;
          counts.set(bound, (counts.get(bound) ?? 0) + 1);
        }
        const found = await runMetrics(store, "{} | histogram_over_time(span.x)", GRID);
        const shown = found.series.map(({ labels, values: [count] }) => [labels[0]?.value, count]);
        const expected = Array.from(counts, ([bound, count]) => [
          { doubleValue: Number(bound) },
          count,
        ]);
        const byBound = (a: unknown[], b: unknown[]): number =>
          (a[0] as { doubleValue: number }).doubleValue -
          (b[0] as { doubleValue: number }).doubleValue;
        expect(shown.sort(byBound)).toEqual(expected.sort(byBound));
        const [series] = (
          await runMetrics(store, `{} | quantile_over_time(span.x, ${quantile})`, GRID)
        ).series;
        expect(series?.values[0]).toEqual(
          counts.size === 0 ? undefined : quantileOf([...counts], quantile),
        );
      },
    ),
    { seed: SEED, numRuns: 25 },
  );
}, 120_000);

/** As the description has it, step by step. */
function quantileOf(counts: readonly (readonly [bigint, number])[], quantile: number): number {
  const buckets = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  const all = buckets.reduce((sum, [, count]) => sum + count, 0);
  const wanted = Math.ceil(quantile * all) || 1;
  let taken = 0;
  for (const [i, [bound, count]] of buckets.entries()) {
    if (taken + count > wanted) {
      const high = Math.log2(Number(bound));
      const low = i > 0 ? Math.log2(Number(buckets[i - 1]![0])) : high - 1;
      return 2 ** (low + (high - low) * ((wanted - taken) / count));
    }
    taken += count;
    if (taken === wanted) return Number(bound);
  }
  throw new Error("the counts do not add up");
}
