import { describe, expect, test } from "vitest";
import { compileSearch } from "../../src/query/compile-search.ts";
import type { CompiledSearch } from "../../src/query/compiled-search.ts";
import { SegmentFacts } from "../../src/query/segment-facts.ts";
import type { KeyStats, SegmentMeta } from "../../src/schema/segment-meta.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";

function key(name: string, type: KeyStats["type"]): KeyStats {
  return {
    scope: "span",
    key: name,
    type,
    count: 1,
    distinct: 1,
    values: [],
    complete: false,
    dedicated: false,
  };
}

const TYPES = ["string", "int", "double", "bool", "json"] as const;
const SUFFIXES = ["str", "int", "double", "bool", "json"];

/** A segment that holds `keys` with every type. */
function segmentWith(keys: readonly string[]): SegmentMeta {
  return aSegmentMeta({
    id: keys.join(),
    optionalColumns: SUFFIXES.map((suffix) => `span_attr_${suffix}`),
    keys: keys.flatMap((name) => TYPES.map((type) => key(name, type))),
  });
}

function prepare(search: CompiledSearch, meta: SegmentMeta): void {
  search.prepare(meta, new SegmentFacts(search.names).add(meta));
}

describe("a query that is too long for the data it asks about", () => {
  // Planning such a text takes the database seconds, in which nothing can interrupt it.
  const names = Array.from({ length: 12 }, (_, i) => `k${i}`);
  const query = Array.from(
    { length: 200 },
    (_, i) => `{ span.${names[i % 12]} != span.${names[(i * 5 + 1) % 12]} || span.x = ${i} }`,
  ).join(" && ");

  test("is refused for one segment", () => {
    const search = compileSearch(query, 1_000_000)!;
    expect(() => prepare(search, segmentWith(names))).toThrow(/query too large/);
  });

  test("is refused for segments of many shapes, of which each would do", () => {
    const short = query.split(" && ").slice(0, 60).join(" && ");
    const search = compileSearch(short, 1_000_000)!;
    const shapes = () => {
      for (let count = 12; count > 0; count--) prepare(search, segmentWith(names.slice(0, count)));
    };
    prepare(search, segmentWith(names));
    expect(shapes).toThrow(/query too large/);
  });
});

test("a segment's keys are gone through once, however many filters there are", () => {
  let reads = 0;
  const meta = segmentWith(["a", "b"]);
  const counted: SegmentMeta = Object.defineProperty({ ...meta }, "keys", {
    enumerable: true,
    get() {
      reads++;
      return meta.keys;
    },
  });
  const filters = Array.from({ length: 100 }, (_, i) => `{ span.a = ${i} }`);
  const search = compileSearch(filters.join(" || "), 1_000_000)!;
  expect(search.isPrepared(counted)).toBe(false);
  expect(() => search.shape(counted)).toThrow("not prepared");
  prepare(search, counted);
  for (let leaf = 0; leaf < 100; leaf++) search.mayMatch(leaf, counted);
  search.shape(counted);
  // One of them is the copy that leaves the other keys out.
  expect(reads).toBeLessThanOrEqual(2);
});
