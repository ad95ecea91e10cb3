import { describe, expect, test } from "vitest";
import {
  autoStep,
  bucketAt,
  endOfGrid,
  firstFinalBucket,
  instantGrid,
  rangeGrid,
  timestampsOf,
} from "../../../src/query/metrics/grid.ts";

const S = 1_000_000_000n;
const MS = 1_000_000n;
const T0 = 1_767_225_600n * S;
const OFF = { nowMs: 0, endCutoffMs: 0, maxDurationMs: 0, maxIntervals: 0 };
const grid = (start: bigint, end: bigint, step: bigint) =>
  rangeGrid({ startUnixNano: start, endUnixNano: end, stepNanos: step }, OFF);

test.each([
  [3600n * S, 15n * S],
  [3n * 3600n * S, 45n * S],
  [6n * 3600n * S, 60n * S],
  [24n * 3600n * S, 300n * S],
  [7n * 24n * 3600n * S, 2400n * S],
  [1800n * S, 5n * S],
  [60n * S, S],
  [59n * S, 200n * MS],
  [12n * S, 50n * MS],
  [1n, 50n * MS],
  [0n, 50n * MS],
])("a range of %i ns has steps of %i ns", (range, step) => {
  expect(autoStep(range)).toBe(step);
});

describe("a range", () => {
  test("starts one step before the multiple below its start, ends at the one above its end", () => {
    const made = grid(T0 + 7n * S, T0 + 121n * S, 60n * S);
    expect(made).toEqual({ startUnixNano: T0 - 60n * S, stepNanos: 60n * S, count: 4 });
    expect(endOfGrid(made)).toBe(T0 + 180n * S);
    expect(timestampsOf(made).map((ms) => BigInt(ms) * MS - T0)).toEqual(
      [0n, 60n, 120n, 180n].map((seconds) => seconds * S),
    );
  });

  test("does not start before the first step of all time", () => {
    expect(grid(5n, 25n, 10n).startUnixNano).toBe(0n);
    expect(grid(15n, 25n, 10n).startUnixNano).toBe(10n);
    expect(grid(25n, 25n, 10n).startUnixNano).toBe(10n);
  });

  test("may have a step longer than itself", () => {
    expect(grid(T0, T0 + S, 3600n * S)).toEqual({
      startUnixNano: T0 - 3600n * S,
      stepNanos: 3600n * S,
      count: 2,
    });
  });

  test("never has more steps than can be held, whatever the settings", () => {
    expect(() => grid(1n, T0, 1n)).toThrow(/^step of 1ns is too small, minimum step for given/);
    expect(() => grid(1n, T0, 9_000n * S)).not.toThrow();
  });
});

test("an instant is one bucket", () => {
  expect(instantGrid({ startUnixNano: T0, endUnixNano: T0 + S }, OFF)).toEqual({
    startUnixNano: T0,
    stepNanos: S,
    count: 1,
  });
});

test("a bucket is final when nothing new can start after its left edge", () => {
  const made = grid(T0, T0 + 180n * S, 60n * S);
  const left = made.startUnixNano;
  expect(firstFinalBucket(made, left - 1n)).toBe(0);
  expect(firstFinalBucket(made, left)).toBe(0);
  expect(firstFinalBucket(made, left + 1n)).toBe(1);
  expect(firstFinalBucket(made, left + 60n * S)).toBe(1);
  expect(firstFinalBucket(made, T0 + 10_000n * S)).toBe(made.count);
});

test("a time is in the bucket whose right edge it does not pass, or in the one next to it", () => {
  const made = { startUnixNano: T0, stepNanos: 10n * S, count: 3 };
  const at = [-S, 0n, 1n, 10n * S, 10n * S + 1n, 30n * S, 31n * S, 10n ** 30n];
  expect(at.map((offset) => bucketAt(made, T0 + offset))).toEqual([0, 0, 0, 0, 1, 2, 2, 2]);
});
