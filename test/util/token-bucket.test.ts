import { expect, test } from "vitest";
import { TokenBucket } from "../../src/util/token-bucket.ts";

test("a full bucket admits its capacity at once and refills at its rate", () => {
  const bucket = new TokenBucket(100, 300, 0);
  expect(bucket.take(300, 0)).toBe(true);
  expect(bucket.take(1, 0)).toBe(false);
  expect(bucket.take(100, 999)).toBe(false);
  expect(bucket.take(100, 1000)).toBe(true);
  expect(bucket.take(1, 1000)).toBe(false);
});

test("a refused amount takes nothing", () => {
  const bucket = new TokenBucket(10, 50, 0);
  expect(bucket.take(51, 0)).toBe(false);
  expect(bucket.take(50, 0)).toBe(true);
});

test("an amount above the capacity never passes, however long one waits", () => {
  const bucket = new TokenBucket(10, 50, 0);
  expect(bucket.take(51, 3_600_000)).toBe(false);
});

test("raised limits admit the difference at once, lowered ones cap what is there", () => {
  const bucket = new TokenBucket(10, 50, 0);
  expect(bucket.take(50, 0)).toBe(true);
  bucket.configure(10, 80, 0);
  expect(bucket.take(31, 0)).toBe(false);
  expect(bucket.take(30, 0)).toBe(true);
  bucket.configure(1000, 20, 10_000);
  expect(bucket.take(21, 20_000)).toBe(false);
  expect(bucket.take(20, 20_000)).toBe(true);
});

test("a clock that goes back does not take tokens away", () => {
  const bucket = new TokenBucket(10, 50, 1000);
  expect(bucket.take(10, 0)).toBe(true);
  expect(bucket.take(40, 0)).toBe(true);
});
