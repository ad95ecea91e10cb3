import { expect, test } from "vitest";
import { KeysNamed } from "../../src/query/keys-named.ts";
import { type Facts, SameFacts } from "../../src/query/same-facts.ts";
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

const segment = (facts: Facts): SegmentWithKeys => aSegmentMeta(facts);
const sameFacts = (...names: string[]) => new SameFacts<object>(new KeysNamed(new Set(names)));

test("segments with the same keys share what was found, whatever their numbers", () => {
  const same = sameFacts("a");
  const of = (...keys: KeyStats[]) =>
    same.get(segment({ optionalColumns: columns, keys }), () => ({}));
  const first = of(stats());
  expect(of(stats({ count: 9 }))).toBe(first);
  // Nobody asks for this one.
  expect(of(stats({ key: "b" }), stats())).toBe(first);
});

test("what matters is given in the order of the segment's", () => {
  const same = sameFacts("a", "b");
  const keys = [stats({ key: "b" }), stats({ key: "c" }), stats()];
  let given: Facts | undefined;
  same.get(segment({ optionalColumns: columns, keys }), (facts) => {
    given = facts;
    return facts;
  });
  expect(given).toEqual({ optionalColumns: columns, keys: [keys[0], keys[2]] });
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
])("a segment with %s is looked at itself", (_, facts) => {
  const same = sameFacts("a", "b");
  const first = same.get(segment({ optionalColumns: columns, keys: [stats()] }), () => ({}));
  expect(same.get(segment(facts), () => ({}))).not.toBe(first);
});

test("few are remembered", () => {
  const same = sameFacts(...Array.from({ length: 100 }, (_, n) => `${n}`));
  const of = (key: string) =>
    same.get(segment({ optionalColumns: columns, keys: [stats({ key })] }), () => ({}));
  const first = of("0");
  for (let n = 1; n < 100; n++) of(`${n}`);
  expect(of("0")).not.toBe(first);
  expect(of("99")).toBe(of("99"));
});
