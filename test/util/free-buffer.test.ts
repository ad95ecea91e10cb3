import { expect, test } from "vitest";
import { freeArrays, freeBuffer } from "../../src/util/free-buffer.ts";

test("a freed buffer is empty, and so are views of it", () => {
  const bytes = new Uint8Array([1, 2, 3]);
  freeBuffer(bytes.buffer);
  expect(bytes.byteLength).toBe(0);
  expect(bytes.buffer.byteLength).toBe(0);
});

test("bytes that share a buffer with others are left alone", () => {
  const whole = new Uint8Array([1, 2, 3, 4]);
  freeArrays(whole.subarray(1, 3));
  expect([...whole]).toEqual([1, 2, 3, 4]);
  freeArrays(whole);
  expect(whole.byteLength).toBe(0);
});
