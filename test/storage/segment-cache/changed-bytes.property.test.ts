import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SegmentReaders } from "../../../src/query/segment-readers.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import type { SegmentCache } from "../../../src/storage/segment-cache/segment-cache.ts";
import type { SegmentNeed } from "../../../src/storage/segment-cache/segment-files.ts";
import { loadFooter } from "../../../src/storage/segments/read/read-footer.ts";
import type { RowBlock } from "../../../src/storage/segments/read/segment-reader.ts";
import { segmentPath } from "../../../src/storage/segments/segment-writer.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { ReaderStore, readAtOf, sliceOf } from "../segments/read/reader-store.ts";
import { temporaryFolder } from "../wal/wal-support.ts";
import { bytesOf, NEVER, shopBatch, written } from "./cache-support.ts";
import { MemoryBucket } from "./memory-bucket.ts";

const SEGMENT = written(shopBatch(400), 700);
const ROUNDS = 40;
const seed = testSeed();
console.log(`seed ${seed} (PINTAIL_TEST_SEED)`);
const random = seededRandom(seed);
const pick = (count: number) => Math.floor(random() * count);

let duckdb: ReaderStore;
let rows: RowBlock;
beforeAll(async () => {
  duckdb = await ReaderStore.open();
  rows = await duckdb.rows(await duckdb.put(SEGMENT.bytes));
});
afterAll(() => duckdb.close());

/** One bit of the byte at `place`, if it is among these. */
function flip(bytes: Uint8Array, start: number, place: number, bit: number): boolean {
  if (place < start || place >= start + bytes.length) return false;
  bytes[place - start]! ^= 1 << bit;
  return true;
}

function someNeed(meta: SegmentMeta): SegmentNeed {
  if (pick(3) === 0) return { meta, columns: "all", rowGroups: "all" };
  const columns = Array.from({ length: 1 + pick(20) }, () => rows.names[pick(rows.names.length)]!);
  const from = pick(meta.rowGroups.length);
  return { meta, columns: new Set(columns), rowGroups: [from] };
}

/** What the database reads of the pinned file is what was stored. */
async function readPinned(cache: SegmentCache, need: SegmentNeed): Promise<void> {
  using pinned = await cache.pin([need], NEVER);
  const bytes = bytesOf(pinned.pathOf(need.meta.id));
  const { groups } = await loadFooter(readAtOf(bytes), bytes.length);
  const path = await duckdb.put(bytes);
  const names = need.columns === "all" ? rows.names : [...need.columns];
  const part = await duckdb.rows(path, names);
  const { rowGroups } = need.meta;
  const kept =
    need.rowGroups === "all" || groups.length === rowGroups.length
      ? [...rowGroups.keys()]
      : need.rowGroups;
  for (const [c, name] of part.names.entries()) {
    const all = rows.columns[rows.names.indexOf(name)]!;
    const expected = kept.flatMap((g) => {
      const from = rowGroups.slice(0, g).reduce((sum, { rowCount }) => sum + rowCount, 0);
      return all.slice(from, from + rowGroups[g]!.rowCount);
    });
    expect(part.columns[c]).toEqual(expected);
  }
}

async function readRows(cache: SegmentCache, meta: SegmentMeta): Promise<void> {
  const readers = new SegmentReaders({
    openFile: (segment) => cache.openRead(segment, NEVER),
    onDamaged: (segment) => cache.distrust(segment),
  });
  const from = pick(meta.rowCount - 20);
  const read = await readers.attempt(meta, (reader) => reader.readRows(from, from + 20));
  expect(read?.result).toEqual(sliceOf(rows, from, from + 20));
}

function read(cache: SegmentCache, meta: SegmentMeta): Promise<void> {
  return pick(3) === 0 ? readRows(cache, meta) : readPinned(cache, someNeed(meta));
}

describe("a bit that changed", { timeout: 120_000 }, () => {
  test("on the way is fetched once more", async () => {
    const bucket = new MemoryBucket();
    for (let round = 0; round < ROUNDS; round++) {
      const meta = bucket.put(SEGMENT.bytes, SEGMENT.meta);
      const cache = await bucket.cache(temporaryFolder());
      let [place, bit] = [pick(SEGMENT.bytes.length), pick(8)];
      bucket.damage = (bytes, start) => {
        if (flip(bytes, start, place, bit)) place = -1;
      };
      await read(cache, meta);
    }
    // The reader of rows finds itself what was wrong in an object's end.
    const { refetched, broken } = bucket.counts;
    expect(refetched).toBeGreaterThan(0);
    expect(refetched + broken).toBeGreaterThan(ROUNDS / 8);
  });

  test("in the bucket gives an error with the segment's name, or is not read", async () => {
    const bucket = new MemoryBucket();
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const meta = bucket.put(SEGMENT.bytes, SEGMENT.meta);
      const cache = await bucket.cache(temporaryFolder());
      const [place, bit] = [pick(SEGMENT.bytes.length), pick(8)];
      bucket.damage = (bytes, start) => void flip(bytes, start, place, bit);
      try {
        await read(cache, meta);
      } catch (error) {
        const message = expect.stringContaining(meta.id);
        expect(error).toMatchObject({ kind: "corrupt", message });
        refused++;
        // The object may be mended.
        bucket.damage = () => {};
        await read(cache, meta);
      }
    }
    expect(refused).toBeGreaterThan(ROUNDS / 8);
  });

  test("in a whole copy is noticed after a restart, and the part is fetched", async () => {
    const bucket = new MemoryBucket();
    for (let round = 0; round < ROUNDS; round++) {
      const { broken } = bucket.counts;
      const meta = bucket.put(SEGMENT.bytes, SEGMENT.meta);
      const dir = temporaryFolder();
      const all = { meta, columns: "all", rowGroups: "all" } as const;
      const path = await pathOf(await bucket.cache(dir), all);
      expect(path).toContain(segmentPath("", meta));
      const bytes = bytesOf(path);
      flip(bytes, 0, 4 + pick(bytes.length - 4), pick(8));
      writeFileSync(path, bytes);
      const cache = await bucket.cache(dir, [meta]);
      for (let i = 0; i < 3; i++) await read(cache, meta);
      await readPinned(cache, all);
      // Twice where the copy's end was kept in memory: the reader of rows finds the damage there too.
      expect(bucket.counts.broken).toBeGreaterThan(broken);
    }
  });

  test("in a file that this process brought is noticed by the reader of rows", async () => {
    const bucket = new MemoryBucket();
    for (let round = 0; round < ROUNDS; round++) {
      const meta = bucket.put(SEGMENT.bytes, SEGMENT.meta);
      const cache = await bucket.cache(temporaryFolder());
      const groups = pick(2) === 0 ? "all" : [0, 1];
      const path = await pathOf(cache, { meta, columns: "all", rowGroups: groups });
      const bytes = bytesOf(path);
      flip(bytes, 0, 4 + pick(bytes.length - 4), pick(8));
      writeFileSync(path, bytes);
      for (let i = 0; i < 5; i++) await readRows(cache, meta);
    }
    expect(bucket.counts.broken).toBeGreaterThan(ROUNDS / 8);
  });
});

test("only the columns that are needed of a whole copy are checked after a restart", async () => {
  const bucket = new MemoryBucket();
  const meta = bucket.put(SEGMENT.bytes, SEGMENT.meta);
  const dir = temporaryFolder();
  const path = await pathOf(await bucket.cache(dir), { meta, columns: "all", rowGroups: "all" });
  const { groups } = await loadFooter(readAtOf(SEGMENT.bytes), SEGMENT.bytes.length);
  const bytes = bytesOf(path);
  // Of the last row group's second column.
  flip(bytes, 0, groups.at(-1)!.chunks[1]!.end - 1, 0);
  writeFileSync(path, bytes);
  const cache = await bucket.cache(dir, [meta]);
  const { fetchedBytes } = bucket.counts;
  const column = (index: number) => {
    const columns = new Set([rows.names[index]!]);
    return { meta, columns, rowGroups: [0] };
  };
  for (let i = 0; i < 2; i++) expect(await pathOf(cache, column(0))).toBe(path);
  expect(bucket.counts).toMatchObject({ broken: 0, fetchedBytes });
  expect(await pathOf(cache, column(1))).not.toBe(path);
  expect(bucket.counts.broken).toBe(1);
});

async function pathOf(cache: SegmentCache, need: SegmentNeed): Promise<string> {
  using pinned = await cache.pin([need], NEVER);
  return pinned.pathOf(need.meta.id);
}
