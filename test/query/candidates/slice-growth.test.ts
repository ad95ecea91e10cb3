import { expect, test } from "vitest";
import { SliceGrowth, type SliceSizes } from "../../../src/query/candidates/slice-growth.ts";

const SIZES: SliceSizes = { firstRows: 100, minRows: 100, blindRows: 100, maxRows: 100_000 };

/** Sizes of the slices when each has exactly the rows asked for, and `found` after each of them. */
function sizesOf(growth: SliceGrowth, found: readonly number[]): number[] {
  return found.map((traces) => {
    const rows = growth.next;
    growth.addRows(rows);
    growth.setFound(traces);
    return rows;
  });
}

test("while nothing is found slices grow fourfold, up to a bound", () => {
  const growth = new SliceGrowth(20, SIZES);
  expect(sizesOf(growth, [0, 0, 0, 0, 0, 0, 0, 0])).toEqual([
    100, 400, 1600, 6400, 25_600, 100_000, 100_000, 100_000,
  ]);
});

test("a slice has the rows in which the rest should be found, and half as many again", () => {
  const growth = new SliceGrowth(20, SIZES);
  // One in 10 rows, then one in 30: 10 and 5 are missing.
  expect(sizesOf(growth, [10, 15])).toEqual([100, 150]);
  expect(growth.next).toBeCloseTo((1.5 * 5 * 150) / 5);
});

test("few matches say little: a slice is no larger than without any", () => {
  const growth = new SliceGrowth(1000, SIZES);
  expect(sizesOf(growth, [1, 2, 10])).toEqual([100, 400, 1600]);
});

test("slices are no smaller than they may be", () => {
  const growth = new SliceGrowth(1000, SIZES);
  expect(sizesOf(growth, [980, 990, 999, 1000])).toEqual([100, 100, 150, 100]);
});

test("behind many matches that lie together slices grow as if there had been none", () => {
  const growth = new SliceGrowth(20, SIZES);
  expect(sizesOf(growth, [19, 19, 19, 19, 19])).toEqual([100, 100, 400, 1600, 6400]);
});

test("when more are asked for than were wanted slices grow", () => {
  const growth = new SliceGrowth(20, SIZES);
  expect(sizesOf(growth, [20, 25, 30])).toEqual([100, 400, 1600]);
});

test("small slices are followed by larger ones at once", () => {
  const growth = new SliceGrowth(20, { ...SIZES, firstRows: 1, minRows: 1, blindRows: 200 });
  expect(growth.next).toBe(1);
  growth.addRows(10);
  expect(growth.next).toBe(200);
  // A whole segment is read, however few rows were asked for.
  growth.addRows(210);
  growth.setFound(19);
  expect(growth.next).toBeCloseTo((1.5 * 210) / 19);
  growth.addRows(20);
  expect(growth.next).toBe(80);
});
