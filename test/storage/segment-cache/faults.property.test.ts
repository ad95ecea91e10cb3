import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { isPintailError } from "../../../src/errors.ts";
import { segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { SegmentCache } from "../../../src/storage/segment-cache/segment-cache.ts";
import type { SegmentNeed } from "../../../src/storage/segment-cache/segment-files.ts";
import { loadFooter } from "../../../src/storage/segments/read/read-footer.ts";
import { type RowBlock, SegmentReader } from "../../../src/storage/segments/read/segment-reader.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import {
  openGcsFakeStore,
  openS3FakeStore,
  TEST_RETRY,
} from "../../drivers/objects/open-stores.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { ReaderStore, readAtOf, sliceOf } from "../segments/read/reader-store.ts";
import { temporaryFolder } from "../wal/wal-support.ts";
import { bytesOf, NEVER, shopBatch, type WrittenSegment, written } from "./cache-support.ts";

const STEPS = 80;
const FAULT_SHARE = 0.4;
/** So impatient that some requests fail for good. */
const RETRY = { ...TEST_RETRY, maxAttempts: 2, attemptTimeoutMs: 250 };
const SEGMENTS = Array.from({ length: 3 }, (_, i) => written(shopBatch(1500, 1500 * i), 1500));

const CASES = [
  ["S3", (seed: number) => openS3FakeStore({ seed }, { retry: RETRY })],
  ["GCS", (seed: number) => openGcsFakeStore({ seed }, { retry: RETRY })],
] as const;

type Stored = WrittenSegment & { readonly rows: RowBlock };

describe.each(CASES)("over %s with faults", (_, open) => {
  test("reads are right or refused, and nothing stays that should not", {
    timeout: 180_000,
  }, async () => {
    const seed = testSeed();
    console.log(`seed ${seed} (PINTAIL_TEST_SEED)`);
    const random = seededRandom(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const { store, fake, close } = await open(seed);
    onTestFinished(close);
    const duckdb = await ReaderStore.open();
    onTestFinished(() => duckdb.close());
    const dir = temporaryFolder();
    const stored: Stored[] = [];
    for (const [i, { bytes, meta: made }] of SEGMENTS.entries()) {
      const id = `01SEGMENT${String(i).padStart(17, "0")}`;
      const body = { signal: NEVER, ifAbsent: true };
      const { info } = await store.put(segmentKey({ ...made, id }), bytes, body);
      const meta = { ...made, id, object: { version: info.version } };
      stored.push({ bytes, meta, rows: await duckdb.rows(await duckdb.put(bytes)) });
    }
    const size = Math.max(...stored.map(({ bytes }) => bytes.length));
    const cap = Math.floor(2.2 * size);
    const cache = await openCache(store, dir, cap);
    let refused = 0;
    const kinds = new Set<string>();
    const attempt = async (work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        if (!isPintailError(error)) throw error;
        expect(["unavailable", "corrupt", "not_found"]).toContain(error.kind);
        kinds.add(error.kind);
        refused++;
      }
    };
    const someRead = async () => {
      const one = stored[pick(stored.length)]!;
      if (random() < 0.3) return readRows(cache, one, pick(one.meta.rowCount - 50));
      const other = stored[pick(stored.length)]!;
      const both = random() < 0.4 && other !== one ? [one, other] : [one];
      const needs = both.map((each) => someNeed(each, pick));
      return pinAndCheck(cache, duckdb, both, needs);
    };
    fake.faults.share = FAULT_SHARE;
    for (let step = 0; step < STEPS; step++) {
      await attempt(someRead);
      await settled(cache, dir, cap);
      if (random() < 0.5) await cache.forget(stored[pick(stored.length)]!.meta.id);
    }
    console.log(`${refused} of ${STEPS} refused: ${[...kinds]}; faults`, fake.faults.counts);
    expect(refused).toBeGreaterThan(0);
    // No failure is remembered.
    fake.faults.share = 0;
    for (let step = 0; step < 10; step++) await someRead();
    for (const { meta } of stored) await cache.forget(meta.id);
    await settled(cache, dir, 0);
  });
});

function openCache(
  store: Awaited<ReturnType<typeof openS3FakeStore>>["store"],
  dir: string,
  cacheBytes: number,
): Promise<SegmentCache> {
  const none = () => {};
  const metrics = { asked: none, fetched: none, refetched: none, evicted: none, broken: none };
  return SegmentCache.open(
    { files: nodeFiles(), store, log: silentLogger, metrics },
    {
      segmentDir: join(dir, "blocks"),
      cacheDir: join(dir, "cache"),
      cacheBytes,
      whole: { maxBytes: 0, share: 0.5 },
    },
    [],
  );
}

/** A few columns of some row groups, or all there is. */
function someNeed({ meta, rows }: Stored, pick: (count: number) => number): SegmentNeed {
  if (pick(6) === 0) return { meta, columns: "all", rowGroups: "all" };
  const columns = Array.from({ length: 1 + pick(6) }, () => rows.names[pick(rows.names.length)]!);
  const from = pick(meta.rowGroups.length);
  const rowGroups = [...meta.rowGroups.keys()].slice(from, from + 1 + pick(3));
  return { meta, columns: new Set(columns), rowGroups };
}

/** A file has the wanted columns and row groups; what it has beyond them is the segment's too. */
async function pinAndCheck(
  cache: SegmentCache,
  duckdb: ReaderStore,
  stored: readonly Stored[],
  needs: readonly SegmentNeed[],
): Promise<void> {
  using files = await cache.pin(needs, NEVER);
  for (const [i, { meta, rows }] of stored.entries()) {
    const path = files.pathOf(meta.id);
    const { columns, rowGroups } = needs[i]!;
    const part = await duckdb.rows(path);
    const wanted = [...(columns === "all" ? rows.names : columns)];
    expect(part.names).toEqual(expect.arrayContaining(wanted));
    const bytes = bytesOf(path);
    const { groups } = await loadFooter(readAtOf(bytes), bytes.length);
    const found = new Set(groups.map((group) => textOf(part, group, part.names)));
    const all = meta.rowGroups.map(({ rowCount }, g) => {
      const firstRow = meta.rowGroups.slice(0, g).reduce((sum, each) => sum + each.rowCount, 0);
      return textOf(rows, { firstRow, rowCount }, part.names);
    });
    for (const text of found) expect(all.includes(text)).toBe(true);
    for (const g of rowGroups === "all" ? all.keys() : rowGroups) {
      expect(found.has(all[g]!)).toBe(true);
    }
  }
}

type Rows = { readonly firstRow: number; readonly rowCount: number };

function textOf(block: RowBlock, { firstRow, rowCount }: Rows, names: readonly string[]): string {
  const values = names.map((name) =>
    block.columns[block.names.indexOf(name)]!.slice(firstRow, firstRow + rowCount),
  );
  return JSON.stringify(values, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
}

async function readRows(cache: SegmentCache, { meta, rows }: Stored, from: number): Promise<void> {
  const file = await cache.openRead(meta, NEVER);
  try {
    const reader = await SegmentReader.open(async (offset, length) => {
      const target = new Uint8Array(length);
      return target.subarray(0, await file.read(target, offset));
    }, file.sizeBytes);
    expect(await reader.readRows(from, from + 50)).toEqual(sliceOf(rows, from, from + 50));
  } finally {
    await file.close();
  }
}

/** What is on the disk is what the cache says, and within the cap. */
async function settled(cache: SegmentCache, dir: string, cap: number): Promise<void> {
  const onDisk = () =>
    [join(dir, "blocks"), join(dir, "cache")]
      .filter((folder) => existsSync(folder))
      .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).size)
      .reduce((sum, bytes) => sum + bytes, 0);
  await expect.poll(() => onDisk() - cache.bytes).toBe(0);
  expect(cache.bytes).toBeLessThanOrEqual(cap);
}
