import { zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { MAX_ZSTD_FRAMES, zstdFrames } from "../../src/util/zstd-frames.ts";

const frame = (text: string): Buffer => zstdCompressSync(Buffer.from(text));
const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

test("frames are found by their lengths, skippable ones left out", () => {
  const [a, b] = [frame("a".repeat(200_000)), frame("")];
  const found = zstdFrames(Buffer.concat([skippable, a, skippable, b]));
  expect(found?.map(({ length }) => length)).toEqual([a.length, b.length]);
});

test("data that is cut off anywhere, or followed by something else, is no frames", () => {
  const whole = frame("some text that is long enough to be compressed, some text");
  for (let length = 1; length < whole.length; length++) {
    expect(zstdFrames(whole.subarray(0, length))).toBeUndefined();
  }
  expect(zstdFrames(Buffer.concat([whole, Buffer.from("x")]))).toBeUndefined();
  expect(zstdFrames(Buffer.concat([whole, Buffer.from("not zstd")]))).toBeUndefined();
  expect(zstdFrames(Buffer.concat([whole, skippable.subarray(0, 10)]))).toBeUndefined();
});

test("there is a bound on frames", () => {
  const many = (count: number) => Buffer.concat(Array.from({ length: count }, () => frame("")));
  expect(zstdFrames(many(MAX_ZSTD_FRAMES))).toHaveLength(MAX_ZSTD_FRAMES);
  expect(zstdFrames(many(MAX_ZSTD_FRAMES + 1))).toBeUndefined();
});
