import { expect, test } from "vitest";
import type { KeyStats } from "../../../src/schema/segment-meta.ts";
import { KeySharer, withoutPartialLists } from "../../../src/storage/catalog/shared-keys.ts";

const stats = (changes: Partial<KeyStats> = {}): KeyStats => ({
  scope: "span",
  key: "http.route",
  type: "string",
  count: 10,
  distinct: 2,
  values: ["/b", "/a"],
  complete: true,
  dedicated: true,
  ...changes,
});
/** As they come from the disk: nothing in common with any other object. */
const parsed = (...keys: KeyStats[]): KeyStats[] => JSON.parse(JSON.stringify(keys));

test("equal lists are held once, whatever their order was, with the numbers of each segment", () => {
  const sharer = new KeySharer();
  const first = sharer.share(parsed(stats()));
  const second = sharer.share(parsed(stats({ count: 3, values: ["/a", "/b"] })));
  expect(first.keys).toEqual([stats({ values: ["/a", "/b"] })]);
  expect(second.keys).toEqual([stats({ count: 3, values: ["/a", "/b"] })]);
  expect(second.keys[0]!.values).toBe(first.keys[0]!.values);
  expect(second.ownBytes).toBeLessThan(first.ownBytes);
});

test("services stay with their values, and lists of them are held once too", () => {
  const sharer = new KeySharer();
  const values = ["/b", "/c", "/a"];
  const services = ["f", "1", "20"];
  const first = sharer.share(parsed(stats({ values, services })));
  expect(first.keys).toEqual([stats({ values: ["/a", "/b", "/c"], services: ["20", "f", "1"] })]);
  const second = sharer.share(
    parsed(stats({ values: values.toReversed(), services: services.toReversed() })),
  );
  expect(second.keys[0]!.services).toBe(first.keys[0]!.services);
  expect(second.ownBytes).toBeLessThan(first.ownBytes);
  const other = sharer.share(parsed(stats({ values, services: ["f", "1", "21"] })));
  expect(other.keys[0]!.services).toEqual(["21", "f", "1"]);
  expect(sharer.share(parsed(stats({ values }))).keys[0]).not.toHaveProperty("services");
});

test("lists that differ stay apart, and values that look like a separator too", () => {
  const sharer = new KeySharer();
  const lists = [["a", "b"], ["a,b"], ['a","b'], ["a", "b", ""]];
  const keys = lists.map((values) => stats({ values }));
  expect(sharer.share(parsed(...keys)).keys.map(({ values }) => values.toSorted())).toEqual(
    lists.map((values) => values.toSorted()),
  );
});

test("keys have one order in all segments", () => {
  const keys = [stats(), stats({ key: "a" }), stats({ scope: "resource" }), stats({ type: "int" })];
  const sharer = new KeySharer();
  const of = (...some: KeyStats[]) =>
    sharer.share(parsed(...some)).keys.map(({ key, scope, type }) => `${key} ${scope} ${type}`);
  expect(of(...keys)).toEqual(of(...keys.toReversed()));
  expect(of(...keys)[0]).toBe("a span string");
});

test("segments with the same keys are seen to, whatever their numbers, values and order", () => {
  const sharer = new KeySharer();
  const of = (...keys: KeyStats[]): object => sharer.share(parsed(...keys)).same;
  const other = stats({ key: "other" });
  const same = of(stats(), other);
  expect(of(other, stats({ count: 1, distinct: 9, values: [], complete: false }))).toBe(same);
  expect(of(stats({ values: ["/c"] }), other)).toBe(same);
  const changes: Partial<KeyStats>[] = [
    { key: "http.path" },
    { scope: "resource" },
    { type: "int" },
    { dedicated: false },
  ];
  for (const change of changes) expect(of(stats(change), other)).not.toBe(same);
  for (const keys of [[stats()], [stats(), other, other], []]) {
    expect(of(...keys)).not.toBe(same);
  }
});

test("segments whose keys have the same services are seen to", () => {
  const sharer = new KeySharer();
  const of = (...services: (string | undefined)[]) =>
    sharer.share(parsed(...services.map((s, i) => stats({ key: `k${i}`, keyServices: s }))));
  const first = of("1", "f", undefined).sameServices;
  expect(of("1", "f", undefined).sameServices).toBe(first);
  for (const other of [
    ["1", "e", undefined],
    ["f", "1", undefined],
    ["1", "f"],
    ["1", "f", "2"],
  ]) {
    expect(of(...other).sameServices).not.toBe(first);
  }
});

test("a list that is not complete is not kept, its numbers are", () => {
  const partial = stats({ complete: false, distinct: 5000 });
  const kept = stats({ complete: false, distinct: 5000, values: [] });
  expect(withoutPartialLists([partial, stats()])).toEqual([kept, stats()]);
  const [odd] = withoutPartialLists([{ ...partial, services: ["1", "1"] }]);
  expect(odd).not.toHaveProperty("services");
  // As older catalogs have them.
  expect(new KeySharer().share(parsed(partial)).keys).toEqual([kept]);
});

test("segments keep their statistics when sharing begins anew", () => {
  const sharer = new KeySharer();
  const values = [0, 1, 2, 3, 4].map((n) => `${n}`.repeat(250));
  const first = sharer.share(parsed(stats({ values })));
  for (let n = 0; n < 25_000; n++)
    sharer.share(parsed(stats({ key: `key${n}`, values: [`${n}`] })));
  const again = sharer.share(parsed(stats({ values })));
  expect(again.keys).toEqual(first.keys);
  expect(again.keys[0]!.values).not.toBe(first.keys[0]!.values);
});

test("which segments have the same keys is remembered within bounds", () => {
  const sharer = new KeySharer();
  const of = (key: string): object => sharer.share(parsed(stats({ key }))).same;
  const first = of("first");
  for (let n = 0; n < 200; n++) of(`${n} ${"x".repeat(10_000)}`);
  expect(of("first")).not.toBe(first);
  expect(of("first")).toBe(of("first"));
});
