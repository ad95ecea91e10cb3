import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../../src/drivers/duckdb/database.ts";
import { openDatabase } from "../../../src/drivers/duckdb/node-database.ts";
import { endOfGrid, type MetricsGrid } from "../../../src/query/metrics/grid.ts";
import { gridBuckets } from "../../../src/query/metrics/grid-buckets.ts";
import { EXACT_LOG2, log2Bucket } from "../../../src/traceql/sql/metrics-columns.ts";
import { rawSql } from "../../../src/traceql/sql/sql.ts";
import { testSeed } from "../../support/random.ts";

const SEED = testSeed();
const TIME_MAX = 9_223_286_400_000_000_000n;

let database: Database;
beforeAll(async () => {
  database = await openDatabase({
    memoryLimitBytes: 128 * 2 ** 20,
    tempDir: ".",
    threads: 1,
    maxConcurrent: 1,
  });
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

const grids: fc.Arbitrary<MetricsGrid> = fc
  .record({
    stepNanos: fc.oneof(
      fc.constantFrom(1n, 2n, 50_000_000n, 1_000_000_000n, 60_000_000_000n, 3_600_000_000_000n),
      fc.bigInt(1n, 10n ** 15n),
    ),
    from: fc.oneof(fc.bigInt(0n, 10n ** 6n), fc.bigInt(0n, TIME_MAX)),
    count: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constantFrom(32_768, 200_000)),
    isAligned: fc.boolean(),
  })
  .map(({ stepNanos, from, count, isAligned }) => ({
    startUnixNano: isAligned ? (from / stepNanos) * stepNanos : from,
    stepNanos,
    count,
  }));

test(`a row outside of the grid is in none of its buckets (seed ${SEED})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      grids,
      fc.array(fc.bigInt(0n, 2n ** 40n), { minLength: 1, maxLength: 20 }),
      async (grid, at) => {
        const { stepNanos: step, count } = grid;
        const end = endOfGrid(grid);
        const times = at
          .flatMap((some) => [end + 1n + some, end + step * some, end + 2n ** 31n * step * some])
          .filter((time) => time > end && time <= TIME_MAX);
        if (times.length === 0 || count === 1) return;
        const { sql, bucketOf } = gridBuckets(grid, true);
        const list = times.map((time) => `make_timestamp_ns(${time})`).join(", ");
        const rows = await database.rows(
          `SELECT ${sql} FROM (SELECT unnest([${list}]) AS start_time)`,
        );
        for (const [code] of rows) {
          const bucket = bucketOf(code as number);
          expect(bucket < 0 || bucket >= count).toBe(true);
        }
      },
    ),
    { numRuns: 200, seed: SEED },
  );
});

test(`a row is in the bucket whose right edge it does not pass (seed ${SEED})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      grids,
      fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
      fc.boolean(),
      async (grid, at, anywhere) => {
        const { startUnixNano: start, stepNanos: step, count } = grid;
        const times = at
          .flatMap((some) => {
            const edge = start + step * BigInt(some % (count + 1));
            return [edge - 1n, edge, edge + 1n, edge + (BigInt(some) % step)];
          })
          .filter((time) => time > start && time <= endOfGrid(grid) && time <= TIME_MAX);
        if (times.length === 0) return;
        const { sql, bucketOf } = gridBuckets(grid, anywhere);
        const list = times.map((time) => `make_timestamp_ns(${time})`).join(", ");
        const rows = await database.rows(
          `SELECT ${sql} FROM (SELECT unnest([${list}]) AS start_time)`,
        );
        expect(rows.map(([code]) => bucketOf(code as number))).toEqual(
          times.map((time) => Number((time - start - 1n) / step)),
        );
      },
    ),
    { numRuns: 200, seed: SEED },
  );
});

test.each([false, true])(
  `the bucket of a value is the smallest power of two that holds it (small: %s, seed ${SEED})`,
  async (small) => {
    const values: bigint[] = [];
    for (let exponent = 1n; exponent < 63n; exponent++) {
      for (let off = -3n; off <= 3n; off++) values.push(2n ** exponent + off);
      const between = fc.bigInt(2n ** exponent, 2n ** (exponent + 1n) - 1n);
      values.push(...fc.sample(between, { numRuns: 10, seed: SEED + Number(exponent) }));
    }
    const most = small ? EXACT_LOG2 : 2n ** 63n - 1n;
    const wanted = values.filter((value) => value >= 2n && value <= most);
    const rows = await database.rows(
      `SELECT ${log2Bucket(rawSql("v"), small).text} FROM (SELECT unnest([${wanted.join(", ")}]::BIGINT[]) AS v)`,
    );
    const bits = (value: bigint): number => (value - 1n).toString(2).length;
    expect(rows.map(([exponent]) => exponent)).toEqual(wanted.map(bits));
  },
);
