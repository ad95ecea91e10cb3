import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import {
  freeExact,
  gzipFast,
  zstdCompress,
  zstdDecompressExact,
} from "../../src/runtime/compression.ts";

const bytesOf = (size: number) => Uint8Array.from({ length: size }, (_, i) => (i * 31) & 255);

test("what was decompressed is given back, and nothing that others have", () => {
  for (const size of [0, 1, 63, 64, 100, 4095, 8191, 8192, 70_000]) {
    const bytes = bytesOf(size);
    // Small buffers are parts of one that is shared.
    const neighbour = Buffer.from("in the same pool, perhaps");
    const body = zstdDecompressExact(zstdCompress(bytes, 1), size);
    const next = Buffer.from("and behind it");
    expect(Buffer.compare(body, bytes), `${size}`).toBe(0);
    freeExact(body);
    expect(neighbour.toString()).toBe("in the same pool, perhaps");
    expect(next.toString()).toBe("and behind it");
    if (size >= 70_000) expect(body).toHaveLength(0);
  }
});

test("a part of a larger buffer is not given back", () => {
  const whole = bytesOf(1000);
  freeExact(whole.subarray(10, 500));
  expect(whole).toHaveLength(1000);
});

test("gzip is undone by any decoder", async () => {
  const bytes = bytesOf(300_000);
  const packed = await gzipFast(bytes);
  expect(packed.length).toBeLessThan(bytes.length / 10);
  expect(Buffer.compare(gunzipSync(packed), bytes)).toBe(0);
});
