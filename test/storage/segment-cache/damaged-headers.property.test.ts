import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isPintailError } from "../../../src/errors.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import type { SegmentCache } from "../../../src/storage/segment-cache/segment-cache.ts";
import { batchOf } from "../../support/batch-builder.ts";
import { testSeed } from "../../support/random.ts";
import { someSpans } from "../../support/some-spans.ts";
import { write } from "../segments/stored-rows.ts";
import { NEVER } from "./cache-support.ts";
import { MemoryBucket } from "./memory-bucket.ts";

const seed = testSeed();
console.log(`seed ${seed} (PINTAIL_TEST_SEED)`);

let dir: string;
let cache: SegmentCache;
const bucket = new MemoryBucket();
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pintail-damaged-"));
  cache = await bucket.cache(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Whether a projection of the damaged object could be made. */
async function isMade(file: Uint8Array, written: SegmentMeta): Promise<boolean> {
  const meta = bucket.put(file, written);
  const groups = meta.rowGroups.length > 1 ? [0] : ("all" as const);
  try {
    using files = await cache.pin(
      [{ meta, columns: new Set(["name", "events", "span_attr_str"]), rowGroups: groups }],
      NEVER,
    );
    expect(files.pathOf(meta.id)).toContain(meta.id);
    return true;
  } catch (error) {
    if (!isPintailError(error, "corrupt")) throw error;
    expect(error.message).toContain(meta.id);
    return false;
  } finally {
    await cache.forget(meta.id);
    expect(cache.bytes).toBe(0);
  }
}

const someWritten = fc
  .tuple(someSpans, fc.constantFrom(3, 100_000))
  .map(([spans, rowGroupRows]) => write(batchOf(spans), { rowGroupRows }));
const somePlaces = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
  minLength: 30,
  maxLength: 30,
});

describe("an object with a damaged footer", () => {
  it("is brought or refused as corrupt, and nothing of it stays", async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(someWritten, somePlaces, async ({ file, meta }, places) => {
        expect(await isMade(file, meta)).toBe(true);
        const footerBytes = new DataView(file.buffer).getUint32(file.length - 8, true);
        const wild = file.slice();
        for (const [place, mask] of places) {
          const damaged = file.slice();
          const at = file.length - 8 - footerBytes + (place % (footerBytes + 8));
          damaged[at]! ^= mask;
          if (!(await isMade(damaged, meta))) refused++;
          // Counts and lengths beyond all bounds.
          damaged.fill(0xff, at, Math.min(at + 1 + (mask & 7), file.length - 8));
          if (!(await isMade(damaged, meta))) refused++;
          wild[at]! ^= mask;
        }
        if (!(await isMade(wild, meta))) refused++;
      }),
      { numRuns: 40, seed },
    );
    expect(refused).toBeGreaterThan(100);
  }, 240_000);
});
