import { expect, test } from "vitest";
import { ulidSource } from "../../src/util/ulid.ts";

test("an id is 26 characters of Crockford base 32 and sorts by time", () => {
  let now = 1_700_000_000_000;
  const next = ulidSource(() => now);
  const ids: string[] = [];
  for (let i = 0; i < 200; i++) {
    ids.push(next());
    now += 7;
  }
  expect(ids.every((id) => /^[0-9A-HJKMNP-TV-Z]{26}$/.test(id))).toBe(true);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test("the first ten characters are the milliseconds", () => {
  const next = ulidSource(
    () => 1_469_918_176_385,
    (bytes) => bytes.fill(31),
  );
  expect(next()).toBe("01ARYZ6S41ZZZZZZZZZZZZZZZZ");
});
