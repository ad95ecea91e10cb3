import { expect, test } from "vitest";
import { zstdCompress } from "../../../src/runtime/compression.ts";
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

test("of key statistics as objects those that were read last stay", () => {
  const cache = new DetailsCache({ ...settings, parsedKeysBudgetBytes: 400 });
  const all = someDetails(cache, 4);
  const read = (one: SegmentDetails): void => {
    one.pin("keys");
    one.set("keys", zstdCompress(new TextEncoder().encode("[]"), 1));
    expect(one.keys).toEqual([]);
    one.unpin("keys");
  };
  // The compressed ones have no room, so that only what was kept as objects can be read.
  const readable = () => [...all.keys()].filter((i) => isReadable(all[i]!));
  const isReadable = (one: SegmentDetails): boolean => {
    try {
      return one.keys.length === 0;
    } catch {
      return false;
    }
  };
  read(all[0]!);
  read(all[1]!);
  expect(all[0]!.keys).toEqual([]);
  read(all[2]!);
  expect(readable()).toEqual([0, 2]);
  // Both were used now: the one that has its place for longer goes.
  read(all[3]!);
  expect(readable()).toHaveLength(2);
  expect(isReadable(all[3]!)).toBe(true);
  expect(cache.bytes("parsed")).toBe(400);
});
