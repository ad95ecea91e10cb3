import { expect, test } from "vitest";
import { packets } from "../../../src/api/stream/packets.ts";

const split = (sizes: number[], maxBytes: number) => [...packets(sizes, (size) => size, maxBytes)];

test("elements are packed up to the limit", () => {
  expect(split([3, 3, 3, 4, 6], 10)).toEqual([
    [3, 3, 3],
    [4, 6],
  ]);
});

test("an element beyond the limit has a packet of its own", () => {
  expect(split([1, 50, 1], 10)).toEqual([[1], [50], [1]]);
});

test("no elements make one empty packet", () => {
  expect(split([], 10)).toEqual([[]]);
  expect(split([], 0)).toEqual([[]]);
});

test("0 means no limit", () => {
  expect(split([100, 200], 0)).toEqual([[100, 200]]);
});
