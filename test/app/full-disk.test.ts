import { describe, expect, test } from "vitest";
import { type FullCatalog, openDiskBench } from "./disk-bench.ts";

const NO_ROOM = { kind: "unavailable", retryAfterMs: expect.any(Number) };
const ROOM = Number.POSITIVE_INFINITY;
/** What makes an L1 due; retries and merges wait less, or at most this long. */
const L1_MS = 60_000;
const RETRY_MS = 10 * 60_000;

type Bench = Awaited<ReturnType<typeof openDiskBench>>;

let serial = 0;
const idsOf = (count: number): string[] =>
  Array.from({ length: count }, () => (++serial).toString(16).padStart(16, "0"));

/** Pushes `count` spans of a tenant and remembers them. */
async function push(bench: Bench, ledger: string[], tenant: string, count: number): Promise<void> {
  const ids = idsOf(count);
  await bench.push(tenant, ids);
  ledger.push(...ids);
}

async function expectLedger(bench: Bench, ledger: readonly string[]): Promise<void> {
  expect(await bench.spans()).toEqual([...ledger].sort());
  expect(bench.orphans()).toEqual([]);
}

test("head cuts that cannot be written are tried again with what came meanwhile", async () => {
  const bench = await openDiskBench();
  const ledger: string[] = [];
  const { faults } = bench.segmentFiles;
  await push(bench, ledger, "small", 1);
  await push(bench, ledger, "large", 2000);
  // One tenant's file fits, the other's does not.
  for (const freeBytes of [15_000, 0]) {
    faults.freeBytes = freeBytes;
    await expect(bench.cut()).rejects.toMatchObject(NO_ROOM);
    // It is tried again though the disk seems to be as full as before.
    bench.clock.ms += 5000;
    expect(bench.levels()).toEqual([]);
    expect(bench.orphans()).toEqual([]);
    // The log is on a disk with room: what comes now is acknowledged.
    await push(bench, ledger, "small", 1);
  }
  faults.freeBytes = ROOM;
  await bench.cut();
  expect(bench.levels()).toEqual([0, 0, 0, 0]);
  await expectLedger(bench, ledger);
});

test("a head cut is made as soon as its files fit, and till then they are not made again", async () => {
  const bench = await openDiskBench();
  const ledger: string[] = [];
  const { faults } = bench.segmentFiles;
  await push(bench, ledger, "small", 1);
  await push(bench, ledger, "large", 2000);
  faults.freeBytes = 15_000;
  await expect(bench.cut()).rejects.toMatchObject(NO_ROOM);
  faults.freeBytes += 4096;
  for (let i = 0; i < 3; i++) await expect(bench.cut()).rejects.toMatchObject(NO_ROOM);
  expect(bench.cutter.failures).toBe(1);
  faults.freeBytes = ROOM;
  await bench.cut();
  await expectLedger(bench, ledger);
});

test("an L1 that cannot be written leaves log and head cuts, and is made when there is room", async () => {
  const bench = await openDiskBench();
  const ledger: string[] = [];
  for (const [tenant, count] of [
    ["small", 1],
    ["large", 2000],
    ["small", 2],
  ] as const) {
    await push(bench, ledger, tenant, count);
    await bench.cut();
  }
  for (const freeBytes of [15_000, 0]) {
    bench.segmentFiles.faults.freeBytes = freeBytes;
    await bench.compact(L1_MS);
    expect(bench.levels()).toEqual([0, 0, 0]);
    expect(bench.catalog.walPositions().releasedTo).toBe(0);
    await expectLedger(bench, ledger);
  }
  expect(bench.failures.count).toBe(2);
  bench.segmentFiles.faults.freeBytes = ROOM;
  await bench.compact(RETRY_MS);
  expect(bench.levels()).toEqual([1, 1]);
  expect(bench.catalog.walPositions().releasedTo).toBe(bench.wal.nextLsn);
  await expectLedger(bench, ledger);
});

test("a merge that cannot be written leaves its inputs, and is made when there is room", async () => {
  const bench = await openDiskBench();
  const ledger: string[] = [];
  for (let i = 0; i < 3; i++) {
    await push(bench, ledger, "t", 5);
    await bench.cut();
    await bench.compact(L1_MS);
  }
  expect(bench.levels()).toEqual([1, 1, 1]);
  bench.segmentFiles.faults.freeBytes = 0;
  await bench.compact(RETRY_MS);
  expect(bench.failures.count).toBe(1);
  expect(bench.levels()).toEqual([1, 1, 1]);
  await expectLedger(bench, ledger);
  bench.segmentFiles.faults.freeBytes = ROOM;
  await bench.compact(RETRY_MS);
  expect(bench.levels()).toEqual([2]);
  await expectLedger(bench, ledger);
});

test("with no room for the log pushes are refused with a hint, and nothing of them comes back", async () => {
  const bench = await openDiskBench();
  const ledger: string[] = [];
  await push(bench, ledger, "t", 3);
  bench.walFiles.faults.freeBytes = 100;
  bench.segmentFiles.faults.freeBytes = 0;
  for (let i = 0; i < 3; i++) {
    await expect(bench.push("t", idsOf(3))).rejects.toMatchObject(NO_ROOM);
  }
  await expect(bench.cut()).rejects.toMatchObject(NO_ROOM);
  bench.walFiles.faults.freeBytes = ROOM;
  bench.segmentFiles.faults.freeBytes = ROOM;
  bench.clock.ms += 1000;
  await push(bench, ledger, "t", 3);
  await bench.cut();
  await expectLedger(bench, ledger);
  await bench.compact(L1_MS);
  expect(bench.levels()).toEqual([1]);
  await expectLedger(bench, ledger);
});

describe.each<Exclude<FullCatalog, "no">>(["unwritten", "written"])(
  "a catalog whose disk is full, the change being %s",
  (full) => {
    test("makes no more files of head cuts, and gets them when there is room", async () => {
      const bench = await openDiskBench();
      const ledger: string[] = [];
      bench.full.catalog = full;
      for (let i = 0; i < 4; i++) {
        await push(bench, ledger, "t", 3);
        await expect(bench.cut()).rejects.toMatchObject(NO_ROOM);
        bench.clock.ms += 1000;
        // The first cut's file alone: it waits to be committed.
        expect(bench.levels().length + bench.orphans().length).toBe(1);
      }
      bench.full.catalog = "no";
      await bench.cut();
      await expectLedger(bench, ledger);
    });

    test("gets an L1 and a merge once when there is room", async () => {
      const bench = await openDiskBench();
      const ledger: string[] = [];
      for (let i = 0; i < 3; i++) {
        await push(bench, ledger, "t", 3);
        await bench.cut();
        bench.full.catalog = full;
        await bench.compact(L1_MS);
        await bench.compact(RETRY_MS);
        bench.full.catalog = "no";
        await bench.compact(RETRY_MS);
        expect(bench.levels()).toEqual(Array.from({ length: i + 1 }, () => 1));
        await expectLedger(bench, ledger);
      }
      bench.full.catalog = full;
      await bench.compact(RETRY_MS);
      bench.full.catalog = "no";
      await bench.compact(RETRY_MS);
      expect(bench.levels()).toEqual([2]);
      await expectLedger(bench, ledger);
    });

    test("has everything once after a start", async () => {
      const bench = await openDiskBench();
      const ledger: string[] = [];
      await push(bench, ledger, "t", 3);
      await bench.cut();
      bench.full.catalog = full;
      await bench.compact(L1_MS);
      await push(bench, ledger, "t", 3);
      await expect(bench.cut()).rejects.toMatchObject(NO_ROOM);
      await bench.close();
      const next = await openDiskBench(bench.dir);
      expect(next.reconciled).toMatchObject({ putAside: 0, lost: 0, redone: 0 });
      expect(next.orphans()).toEqual([]);
      const { cutTo } = next.catalog.walPositions();
      let toReplay = 0;
      for await (const { lsn } of next.wal.replay(cutTo)) if (lsn >= cutTo) toReplay++;
      // What is not in a segment is in the log.
      expect((await next.spans()).length + 3 * toReplay).toBe(ledger.length);
    });
  },
);
