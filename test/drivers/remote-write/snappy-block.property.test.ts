import fc from "fast-check";
import { expect, test } from "vitest";
import { compressSnappyBlock } from "../../../src/drivers/remote-write/snappy-block.ts";
import { decompressSnappyBlock } from "../../../src/ingest/decompress-snappy.ts";
import { testSeed } from "../../support/random.ts";

const seed = testSeed();
const MAX_BYTES = 1 << 20;

/** Texts of few letters, repeated: matches near, far, overlapping and beyond a block. */
const repetitive = fc
  .tuple(
    fc.array(fc.constantFrom("a", "b", "label", "\0"), { minLength: 1, maxLength: 200 }),
    fc.integer({ min: 1, max: 400 }),
    fc.uint8Array({ maxLength: 300 }),
  )
  .map(([words, times, tail]) => {
    const text = words.join("").repeat(times).slice(0, 200_000);
    return Buffer.concat([Buffer.from(text), tail, Buffer.from(text.slice(0, 500))]);
  });

test(`what was compressed decompresses to the same bytes (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 5000 }), repetitive), (bytes) => {
      const block = compressSnappyBlock(bytes);
      expect(Buffer.from(decompressSnappyBlock(block, MAX_BYTES)).equals(bytes)).toBe(true);
    }),
    { seed, numRuns: 300 },
  );
});

test("bytes around the ends of the library's blocks survive, as do those of a view", () => {
  const all = Uint8Array.from({ length: 140_000 }, (_, i) => (i * 7919) >>> (i % 11));
  for (const length of [0, 1, 14, 15, 16, 60, 61, 256, 257, 65_535, 65_536, 65_537, 131_073]) {
    const part = all.subarray(3, 3 + length);
    expect(Buffer.from(decompressSnappyBlock(compressSnappyBlock(part), MAX_BYTES))).toEqual(
      Buffer.from(part),
    );
  }
});

test("repeated bytes take little room", () => {
  const bytes = Buffer.from('{service="checkout",span_kind="SPAN_KIND_SERVER"}'.repeat(1000));
  expect(compressSnappyBlock(bytes).length).toBeLessThan(bytes.length / 10);
});
