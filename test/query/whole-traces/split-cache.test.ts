import { expect, test } from "vitest";
import { type SharedTrace, SplitCache } from "../../../src/query/whole-traces/split-cache.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";

const pair = (first: string, second: string) => ({
  first: aSegmentMeta({ id: first }),
  second: aSegmentMeta({ id: second }),
});
const times = { startUnixNano: 1n, endUnixNano: 2n };
const traces = (count: number): SharedTrace[] =>
  Array.from({ length: count }, (_, i) => ({ traceId: `${i}`, inFirst: times, inSecond: times }));

test("pairs are told apart, and those without a common trace from those not looked at", () => {
  const cache = new SplitCache();
  cache.set(pair("a", "b"), traces(2));
  cache.set(pair("a", "c"), []);
  expect(cache.get(pair("a", "b"))).toHaveLength(2);
  expect(cache.get(pair("a", "c"))).toEqual([]);
  expect(cache.get(pair("b", "c"))).toBeUndefined();
});

test("beyond its bounds the pairs used longest ago go first", () => {
  const cache = new SplitCache({ maxPairs: 3, maxTraces: 10 });
  for (const second of ["b", "c", "d"]) cache.set(pair("a", second), traces(3));
  cache.get(pair("a", "b"));
  cache.set(pair("a", "e"), []);
  expect(cache.get(pair("a", "c"))).toBeUndefined();
  cache.set(pair("a", "e"), traces(5));
  expect(cache.get(pair("a", "d"))).toBeUndefined();
  expect(cache.get(pair("a", "b"))).toHaveLength(3);
  cache.set(pair("a", "f"), traces(11));
  expect(cache.get(pair("a", "f"))).toBeUndefined();
  cache.set(pair("a", "g"), traces(10));
  expect(cache.get(pair("a", "g"))).toHaveLength(10);
});
