import { expect, test } from "vitest";
import { DetailsCache, SegmentDetails } from "../../../src/storage/catalog/segment-details.ts";

/** An entry takes 200 bytes beside its own: there is room for three of these. */
const FILTER_BYTES = 100;
const settings = {
  filterBudgetBytes: 950,
  keysBudgetBytes: 0,
  parsedKeysBudgetBytes: 0,
};

function someDetails(cache: DetailsCache, count: number): SegmentDetails[] {
  return Array.from({ length: count }, () => new SegmentDetails(cache));
}

function inMemory(all: readonly SegmentDetails[]): number[] {
  return [...all.keys()].filter((i) => all[i]!.has("traceFilter"));
}

const setFilter = (details: SegmentDetails): void =>
  details.set("traceFilter", new Uint8Array(FILTER_BYTES));

test("those that were held last stay", () => {
  const cache = new DetailsCache(settings);
  const all = someDetails(cache, 5);
  for (const one of all.slice(0, 3)) setFilter(one);
  expect(cache.bytes("traceFilter")).toBe(900);
  for (const i of [0, 2]) {
    all[i]!.pin("traceFilter");
    all[i]!.unpin("traceFilter");
  }
  setFilter(all[3]!);
  setFilter(all[4]!);
  expect(inMemory(all)).toEqual([2, 3, 4]);
  expect(cache.bytes("traceFilter")).toBe(900);
});

test("what is held takes no room, and is there until nobody holds it", () => {
  const cache = new DetailsCache(settings);
  const all = someDetails(cache, 6);
  all[0]!.pin("traceFilter");
  all[0]!.pin("traceFilter");
  for (const one of all) setFilter(one);
  expect(inMemory(all)).toEqual([0, 3, 4, 5]);
  expect(cache.bytes("traceFilter")).toBe(900);
  all[0]!.unpin("traceFilter");
  setFilter(all[1]!);
  expect(inMemory(all)).toEqual([0, 1, 4, 5]);
  all[0]!.unpin("traceFilter");
  expect(inMemory(all)).toEqual([0, 1, 5]);
});

test("what is set again counts once", () => {
  const cache = new DetailsCache(settings);
  const [one] = someDetails(cache, 1);
  setFilter(one!);
  setFilter(one!);
  expect(cache.bytes("traceFilter")).toBe(300);
  one!.pin("traceFilter");
  expect(cache.bytes("traceFilter")).toBe(0);
});

test("one that is larger than all room is not kept", () => {
  const cache = new DetailsCache(settings);
  const all = someDetails(cache, 2);
  setFilter(all[0]!);
  all[1]!.set("traceFilter", new Uint8Array(2000));
  expect(inMemory(all)).toEqual([]);
  expect(cache.bytes("traceFilter")).toBe(0);
});

test("in the reverse order those that came first stay", () => {
  const cache = new DetailsCache(settings);
  const all = someDetails(cache, 4);
  for (const one of all.slice(0, 3)) setFilter(one);
  cache.reverse();
  setFilter(all[3]!);
  expect(inMemory(all)).toEqual([0, 1, 3]);
});
