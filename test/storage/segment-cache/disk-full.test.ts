import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Files } from "../../../src/drivers/files/files.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import type { SegmentCache } from "../../../src/storage/segment-cache/segment-cache.ts";
import { type FaultyFiles, faultyFiles } from "../../support/faulty-files.ts";
import { bytesOf, CacheBench, NEVER, shopBatch, written } from "./cache-support.ts";

let bench: CacheBench;
beforeEach(async () => {
  bench = await CacheBench.open();
});
afterEach(() => bench.close());

const SEGMENT = written(shopBatch(12_000), 7000);

async function threeSegments() {
  const stored = [];
  for (let i = 0; i < 3; i++) stored.push(await bench.store(SEGMENT));
  return stored as [(typeof stored)[0], (typeof stored)[0], (typeof stored)[0]];
}

/** A disk on which what is deleted is free for what comes. */
function smallDisk(): { readonly files: Files; readonly faults: FaultyFiles["faults"] } {
  const files = faultyFiles();
  const unlink = async (path: string): Promise<void> => {
    const { size } = statSync(path);
    await files.unlink(path);
    files.faults.freeBytes += size;
  };
  return { files: { ...files, unlink }, faults: files.faults };
}

const whole = (meta: SegmentMeta) => ({ meta, columns: "all", rowGroups: "all" }) as const;
const narrow = (meta: SegmentMeta) => ({
  meta,
  columns: new Set(["trace_id", "span.attribute.1"]),
  rowGroups: [0, 1],
});

async function fetchAll(cache: SegmentCache, ...metas: readonly SegmentMeta[]): Promise<void> {
  for (const meta of metas) (await cache.pin([whole(meta)], NEVER))[Symbol.dispose]();
}

function sizesOnDisk(): number[] {
  return [bench.segmentDir, bench.cacheDir]
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).size);
}

function expectBooks(cache: SegmentCache): void {
  expect(sizesOnDisk().reduce((sum, size) => sum + size, 0)).toBe(cache.bytes);
}

describe("on a full disk", () => {
  test("half of what nobody reads goes, and the file is written", async () => {
    const [a, b, c] = await threeSegments();
    const { files, faults } = smallDisk();
    const cache = await bench.cache(1 << 30, files);
    await fetchAll(cache, a.meta, b.meta);
    faults.freeBytes = 0;
    using pinned = await cache.pin([whole(c.meta)], NEVER);
    expect(bytesOf(pinned.pathOf(c.meta.id))).toEqual(bytesOf(c.path));
    expect(cache.bytes).toBe(b.meta.byteSize + c.meta.byteSize);
    expectBooks(cache);
  });

  test("a projection is refused when all is read; what is read stays, and later it works", async () => {
    const [a, b, c] = await threeSegments();
    const { files, faults } = smallDisk();
    const cap = Math.floor(2.5 * a.meta.byteSize);
    const cache = await bench.cache(cap, files);
    using pinned = await cache.pin([whole(a.meta), narrow(b.meta)], NEVER);
    const before = cache.bytes;
    faults.freeBytes = 0;
    for (const need of [whole(c.meta), narrow(c.meta)]) {
      await expect(cache.pin([need], NEVER)).rejects.toMatchObject({ kind: "unavailable" });
      expect(cache.bytes).toBe(before);
      expectBooks(cache);
    }
    expect(bytesOf(pinned.pathOf(a.meta.id))).toEqual(bytesOf(a.path));
    expect(existsSync(pinned.pathOf(b.meta.id))).toBe(true);
    faults.freeBytes = Number.POSITIVE_INFINITY;
    // Nothing is reserved any more for what failed, so the cap is met without refusals.
    using _ = await cache.pin([whole(c.meta)], NEVER);
    expect(cache.bytes).toBe(before + c.meta.byteSize);
    expectBooks(cache);
  });

  test("rows of a segment cannot be read, and nothing stays of the attempt", async () => {
    const [a] = await threeSegments();
    const { files, faults } = smallDisk();
    const cache = await bench.cache(1 << 30, files);
    faults.freeBytes = 0;
    const file = await cache.openRead(a.meta, NEVER);
    const target = new Uint8Array(1000);
    await expect(file.read(target, 4)).rejects.toMatchObject({ kind: "unavailable" });
    faults.freeBytes = Number.POSITIVE_INFINITY;
    const reads = [4, 50, 4].map((position) => file.read(new Uint8Array(1000), position));
    expect(await Promise.all(reads)).toEqual([1000, 1000, 1000]);
    await file.close();
    expectBooks(cache);
    await cache.forget(a.meta.id);
    expect(cache.bytes).toBe(0);
    expect(sizesOnDisk()).toEqual([]);
  });
});
