import { expect, test } from "vitest";
import { type InUseOrder, UseOrder } from "../../src/util/use-order.ts";

type Item = InUseOrder<Item> & { readonly name: string };

function itemsOf(names: string): Item[] {
  return [...names].map((name) => ({ name, earlier: undefined, later: undefined }));
}

/** Read both ways, which must agree. */
function namesIn(order: UseOrder<Item>): string {
  let names = "";
  let last: Item | undefined;
  for (let item = order.first; item !== undefined; item = item.later) {
    expect(item.earlier).toBe(last);
    names += item.name;
    last = item;
  }
  return names;
}

test("an item that is used comes last", () => {
  const order = new UseOrder<Item>();
  const items = itemsOf("abcd");
  for (const item of items) order.add(item);
  expect(namesIn(order)).toBe("abcd");
  const seen = [2, 0, 3, 3].map((i) => {
    order.use(items[i]!);
    return namesIn(order);
  });
  expect(seen).toEqual(["abdc", "bdca", "bcad", "bcad"]);
});

test("an item leaves from any place and may come again", () => {
  const order = new UseOrder<Item>();
  const items = itemsOf("abcd");
  for (const item of items) order.add(item);
  const left = [1, 3, 0, 2].map((i) => {
    order.delete(items[i]!);
    return namesIn(order);
  });
  expect(left).toEqual(["acd", "ac", "c", ""]);
  expect(order.first).toBeUndefined();
  for (const i of [3, 1]) order.add(items[i]!);
  order.use(items[3]!);
  expect(namesIn(order)).toBe("bd");
});
