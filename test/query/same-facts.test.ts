import { expect, test } from "vitest";
import { SameFacts } from "../../src/query/same-facts.ts";
import type { KeyStats } from "../../src/schema/segment-meta.ts";

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

test("segments with the same keys share what was found, whatever their numbers", () => {
  const same = new SameFacts<object>();
  const first = same.get({ optionalColumns: columns, keys: [stats()] }, () => ({}));
  const again = same.get({ optionalColumns: columns, keys: [stats({ count: 9 })] }, () => ({}));
  expect(again).toBe(first);
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
  const same = new SameFacts<object>();
  const first = same.get({ optionalColumns: columns, keys: [stats()] }, () => ({}));
  expect(same.get(facts, () => ({}))).not.toBe(first);
});

test("few are remembered", () => {
  const same = new SameFacts<object>();
  const of = (key: string) =>
    same.get({ optionalColumns: columns, keys: [stats({ key })] }, () => ({}));
  const first = of("0");
  for (let n = 1; n < 100; n++) of(`${n}`);
  expect(of("0")).not.toBe(first);
  expect(of("99")).toBe(of("99"));
});
