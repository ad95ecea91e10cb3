import { expect, test } from "vitest";
import { ScanCache } from "../../../../src/storage/segments/filters/scan-cache.ts";

/** Those of a to f that are there, asked for without being used. */
function keysIn(cache: ScanCache<string>, list = "list"): string {
  // A cache has no other way to look: what the question changes is the same for all.
  return [..."abcdef"].filter((key) => cache.get(list, key, 99) === `${list} ${key}`).join("");
}

function put(cache: ScanCache<string>, key: string, scan: number, bytes = 10, list = "list"): void {
  cache.put(list, key, `${list} ${key}`, bytes, scan);
}

test("what was used least recently makes room", () => {
  const cache = new ScanCache<string>(30);
  for (const key of "abc") put(cache, key, 1);
  expect(cache.get("list", "a", 2)).toBe("list a");
  put(cache, "d", 3);
  expect(cache.bytes).toBe(30);
  expect(keysIn(cache)).toBe("acd");
});

test("what a scan has used makes no room for the same scan", () => {
  const cache = new ScanCache<string>(30);
  for (const key of "abcdef") put(cache, key, 1);
  expect(keysIn(cache)).toBe("abc");
  for (const key of "fedcba") if (cache.get("list", key, 100) === undefined) put(cache, key, 100);
  expect(cache.bytes).toBe(30);
  // Three others made room before the scan came to them.
  expect(keysIn(cache)).toBe("def");
});

test("a key is one of its list", () => {
  const cache = new ScanCache<string>(30);
  put(cache, "a", 1);
  put(cache, "a", 1, 10, "other");
  expect(keysIn(cache)).toBe("a");
  expect(keysIn(cache, "other")).toBe("a");
  expect(keysIn(cache, "third")).toBe("");
  expect(cache.bytes).toBe(20);
});

test("what is put again counts once, and what is larger than all room is not held", () => {
  const cache = new ScanCache<string>(30);
  put(cache, "a", 1);
  put(cache, "a", 1, 25);
  expect(cache.bytes).toBe(25);
  put(cache, "b", 2, 31);
  expect(cache.bytes).toBe(0);
  expect(keysIn(cache)).toBe("");
});

test("a getter of one list finds what comes to the list later, and what comes again", () => {
  const cache = new ScanCache<string>(20);
  const get = cache.getterOf("list");
  expect(get("a", 1)).toBeUndefined();
  put(cache, "a", 1);
  expect(get("a", 2)).toBe("list a");
  // Another list takes the room of all that is there.
  put(cache, "b", 3, 20, "other");
  expect(get("a", 3)).toBeUndefined();
  put(cache, "c", 4);
  expect([get("a", 5), get("b", 5), get("c", 5)]).toEqual([undefined, undefined, "list c"]);
});

test("what a getter has found was used", () => {
  const cache = new ScanCache<string>(30);
  const get = cache.getterOf("list");
  for (const key of "abc") put(cache, key, 1);
  get("a", 2);
  put(cache, "d", 3);
  expect(keysIn(cache)).toBe("acd");
});
