import { expect, test } from "vitest";
import { PAGE_SIZE } from "../../src/query/by-segment.ts";
import { ByFacts, type Facts, KnownFacts, SegmentFacts } from "../../src/query/segment-facts.ts";
import type { KeyStats, SegmentWithKeys } from "../../src/schema/segment-meta.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";

const columns = ["span.a"];
const values = ["x"];
const stats = (changes: Partial<KeyStats> = {}): KeyStats => ({
  scope: "span",
  key: "a",
  type: "string",
  count: 1,
  distinct: 1,
  values,
  complete: true,
  dedicated: true,
  ...changes,
});

const segment = (facts: Facts, id = "a", place?: number): SegmentWithKeys => ({
  ...aSegmentMeta({ ...facts, id }),
  place,
});
const factsOf = (...names: string[]) => new SegmentFacts(new Set(names));

test("segments with the same keys have one object, whatever their numbers", () => {
  const facts = factsOf("a");
  const of = (...keys: KeyStats[]) => facts.add(segment({ optionalColumns: columns, keys }));
  const first = of(stats());
  expect(of(stats({ count: 9 }))).toBe(first);
  // Nobody asks for this one.
  expect(of(stats({ key: "b" }), stats())).toBe(first);
});

test("what matters is in the order of the segment's", () => {
  const keys = [stats({ key: "b" }), stats({ key: "c" }), stats()];
  const facts = factsOf("a", "b").add(segment({ optionalColumns: columns, keys }));
  expect(facts).toEqual({ optionalColumns: columns, keys: [keys[0], keys[2]] });
});

test.each([
  ["another key", { optionalColumns: columns, keys: [stats({ key: "b" })] }],
  ["another scope", { optionalColumns: columns, keys: [stats({ scope: "resource" })] }],
  ["another type", { optionalColumns: columns, keys: [stats({ type: "int" })] }],
  ["other values", { optionalColumns: columns, keys: [stats({ values: ["y"] })] }],
  ["a list that is not complete", { optionalColumns: columns, keys: [stats({ complete: false })] }],
  ["no column of its own", { optionalColumns: columns, keys: [stats({ dedicated: false })] }],
  ["one key more", { optionalColumns: columns, keys: [stats(), stats({ key: "b" })] }],
  ["no key", { optionalColumns: columns, keys: [] }],
  ["other columns", { optionalColumns: ["span.b"], keys: [stats()] }],
])("a segment with %s has an object of its own", (_, other) => {
  const facts = factsOf("a", "b");
  const first = facts.add(segment({ optionalColumns: columns, keys: [stats()] }));
  expect(facts.add(segment(other))).not.toBe(first);
});

test("few are remembered", () => {
  const facts = factsOf(...Array.from({ length: 100 }, (_, n) => `${n}`));
  const of = (key: string) =>
    facts.add(segment({ optionalColumns: columns, keys: [stats({ key })] }));
  const first = of("0");
  for (let n = 1; n < 100; n++) of(`${n}`);
  expect(of("0")).not.toBe(first);
  expect(of("99")).toBe(of("99"));
});

test("segments of the catalog are known again until others have their places", () => {
  const facts = factsOf("a");
  const all = { optionalColumns: columns, keys: [stats()] };
  const [placed, later, foreign] = [
    segment(all, "a", 3),
    segment({ ...all, keys: [] }, "b", 3),
    segment(all, "c"),
  ];
  const found = facts.add(placed);
  expect(facts.add(foreign)).toBe(found);
  expect([placed, later, foreign].map((one) => facts.get(one))).toEqual([
    found,
    undefined,
    undefined,
  ]);
  facts.add(later);
  expect(facts.get(placed)).toBeUndefined();
});

test("what is found out from facts is found once", () => {
  let count = 0;
  const found = new ByFacts((facts) => ({ facts, number: count++ }));
  const [a, b] = [0, 1].map(() => ({ optionalColumns: columns, keys: [] }));
  const first = found.get(a!);
  expect(first).toEqual({ facts: a, number: 0 });
  expect(found.get(a!)).toBe(first);
  expect(found.get(b!).number).toBe(1);
  expect(found.get(a!)).toBe(first);
  expect(count).toBe(2);
});

test("queries that name the same keys share their facts", () => {
  const known = new KnownFacts();
  const first = known.of(new Set(["a", "b"]));
  expect(known.of(new Set(["b", "a"]))).toBe(first);
  expect(known.of(new Set(["a,b"]))).not.toBe(first);
  expect(known.of(new Set(["a"]))).not.toBe(first);
});

test("of many sets of names the last ones are remembered, and none of long ones", () => {
  const known = new KnownFacts();
  const of = (name: string) => known.of(new Set([name]));
  const [first, second] = [of("0"), of("1")];
  for (let n = 2; n < 64; n++) of(`${n}`);
  expect(of("0")).toBe(first);
  of("64");
  expect(of("0")).toBe(first);
  expect(of("1")).not.toBe(second);
  const long = "x".repeat(2000);
  expect(of(long)).not.toBe(of(long));
});

test("what is remembered is bounded, however many segments there are", () => {
  const known = new KnownFacts();
  const of = (name: string) => known.of(new Set([name]));
  const all = { optionalColumns: columns, keys: [] };
  const names = ["a", "b", "c", "d"];
  const before = names.map((name) => {
    const facts = of(name);
    for (let page = 0; page < 800; page++) facts.add(segment(all, `${page}`, page * PAGE_SIZE));
    return facts;
  });
  of("e");
  expect(names.map((name, i) => of(name) === before[i])).toEqual([false, false, true, true]);
});
