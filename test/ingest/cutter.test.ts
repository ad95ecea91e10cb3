import { expect, test } from "vitest";
import { PintailError } from "../../src/errors.ts";
import { CutError } from "../../src/ingest/cut-error.ts";
import { Cutter, type CutterSettings } from "../../src/ingest/cutter.ts";
import type { SegmentMeta, WalRange } from "../../src/schema/segment-meta.ts";
import type { Catalog, CatalogChange } from "../../src/storage/catalog/catalog.ts";

const SETTINGS: CutterSettings = { cutAfterMs: 1000, cutAfterBytes: 500, minCutIntervalMs: 100 };

/** Time and timers under the test's control. */
class FakeTimers {
  nowMs = 0;
  #timers: { atMs: number; run: () => void }[] = [];
  after = (delayMs: number, run: () => void): (() => void) => {
    const timer = { atMs: this.nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((t) => t !== timer);
    };
  };
  async advance(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      await settle();
      const due = this.#timers.filter((t) => t.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((t) => t !== due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.run();
    }
    this.nowMs = untilMs;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function setUp(settings = SETTINGS) {
  const timers = new FakeTimers();
  const cuts: WalRange[] = [];
  const commits: CatalogChange[] = [];
  const told: string[] = [];
  const fail = { cut: false, commit: false };
  /** By default the disk does not tell what is wrong. */
  const disk: {
    freeBytes?: number;
    neededBytes?: number;
    tookMs: number;
    asked: number;
    /** When it tells how much is free. */
    answers?: Promise<void>;
  } = { tookMs: 0, asked: 0 };
  const isFull = () => (disk.freeBytes ?? 0) < (disk.neededBytes ?? 0);
  const slow: { promise?: Promise<void> } = {};
  const catalog = {
    walPositions: () => ({ cutTo: 100, releasedTo: 0 }),
    commit: (change: CatalogChange) => {
      if (fail.commit) return Promise.reject(new PintailError("unavailable", "disk full"));
      commits.push({ ...change, add: [...(change.add ?? [])] });
      return Promise.resolve();
    },
  } as unknown as Catalog;
  const errors: string[] = [];
  const error = (message: string) => void errors.push(message);
  const log = { debug() {}, info() {}, warn() {}, error, with: () => log };
  const cutter = new Cutter(
    {
      catalog,
      onCommitted: (segments) => told.push(...segments.map(({ id }) => id)),
      freeBytes: async () => {
        disk.asked++;
        await disk.answers;
        if (disk.freeBytes === undefined) throw new PintailError("internal", "cannot stat");
        return disk.freeBytes;
      },
      log,
      monotonicMs: () => timers.nowMs,
      after: timers.after,
      cut: (walRange) => {
        cuts.push(walRange);
        timers.nowMs += disk.tookMs;
        if (fail.cut || isFull()) {
          return Promise.reject(new CutError("unavailable", "disk full", disk));
        }
        const metas = [{ id: `s${cuts.length}` } as SegmentMeta];
        return slow.promise?.then(() => metas) ?? Promise.resolve(metas);
      },
    },
    settings,
  );
  return { timers, cuts, commits, told, errors, fail, disk, slow, cutter };
}

test("nothing pending: a query does not wait and nothing is cut", async () => {
  const { cutter, cuts } = setUp();
  await cutter.cutNow();
  expect(cuts).toEqual([]);
});

test("the timer cuts what was handed over once it is cutAfterMs old", async () => {
  const { cutter, cuts, commits, timers } = setUp();
  cutter.handed(150);
  await timers.advance(999);
  expect(cuts).toEqual([]);
  await timers.advance(1);
  expect(cuts).toEqual([{ from: 100, to: 150 }]);
  expect(commits).toEqual([{ add: [{ id: "s1" }], cutTo: 150 }]);
  await timers.advance(5000);
  expect(cuts).toHaveLength(1);
});

test("queries that come together share a cut; the next one starts minCutIntervalMs later", async () => {
  const { cutter, cuts, timers } = setUp();
  cutter.handed(150);
  await Promise.all([cutter.cutNow(), cutter.cutNow()]);
  expect(cuts).toEqual([{ from: 100, to: 150 }]);
  cutter.handed(180);
  let done = false;
  const second = cutter.cutNow().then(() => {
    done = true;
  });
  await timers.advance(99);
  expect(done).toBe(false);
  await timers.advance(1);
  await second;
  expect(cuts.at(-1)).toEqual({ from: 150, to: 180 });
});

test("a failed cut reaches the query, and is made again with what came since", async () => {
  const { cutter, cuts, commits, fail, timers } = setUp();
  cutter.handed(150);
  fail.cut = true;
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  fail.cut = false;
  cutter.handed(170);
  await timers.advance(3000);
  // The worker still has the spans of the first range: each range is asked for once.
  expect(cuts).toEqual([
    { from: 100, to: 150 },
    { from: 150, to: 170 },
  ]);
  expect(commits).toMatchObject([{ cutTo: 170 }]);
  expect(cutter.pendingBytes()).toBe(0);
});

test("while the disk is too full queries do not wait, and nothing is encoded for them", async () => {
  const { cutter, cuts, disk, timers } = setUp();
  Object.assign(disk, { freeBytes: 99, neededBytes: 1000 });
  cutter.handed(150);
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  for (const freeBytes of [99, 500, 0, 999]) {
    disk.freeBytes = freeBytes;
    await expect(cutter.cutNow()).rejects.toThrow("disk full");
    await timers.advance(1000);
  }
  expect(cuts).toHaveLength(1);
  expect(cutter.failures).toBe(1);
  // The figures may be wrong.
  await timers.advance(1000);
  expect(cuts).toHaveLength(2);
});

test("the first queries after there is room find everything, by one cut", async () => {
  const { cutter, cuts, disk, timers } = setUp();
  Object.assign(disk, { freeBytes: 99, neededBytes: 1000, tookMs: 100 });
  cutter.handed(150);
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  await timers.advance(10);
  disk.freeBytes = 1000;
  await Promise.all([cutter.cutNow(), cutter.cutNow(), cutter.cutNow()]);
  expect(timers.nowMs).toBe(210);
  expect(cuts).toHaveLength(2);
  expect(cutter.pendingBytes()).toBe(0);
});

test("queries wait no longer than between other cuts when room was there and is gone again", async () => {
  const { cutter, cuts, disk, timers } = setUp();
  Object.assign(disk, { freeBytes: 0, neededBytes: 1000 });
  cutter.handed(150);
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  disk.freeBytes = 1000;
  const waiting = Promise.all([1, 2].map(() => expect(cutter.cutNow()).rejects.toThrow("full")));
  await timers.advance(50);
  disk.freeBytes = 0;
  await timers.advance(49);
  expect(cuts).toHaveLength(1);
  await timers.advance(1);
  await waiting;
  expect(timers.nowMs).toBe(100);
});

test("what the segments need is learnt again from each try", async () => {
  const { cutter, cuts, disk } = setUp();
  Object.assign(disk, { freeBytes: 0, neededBytes: 1000, tookMs: 200 });
  cutter.handed(150);
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  Object.assign(disk, { freeBytes: 1000, neededBytes: 2000 });
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  expect(cuts).toHaveLength(2);
  disk.freeBytes = 1999;
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  expect(cuts).toHaveLength(2);
  disk.freeBytes = 2000;
  await cutter.cutNow();
  expect(cutter.pendingBytes()).toBe(0);
});

test("tries in vain take a tenth of the time at most, those of the timer too", async () => {
  const { cutter, cuts, disk, timers } = setUp();
  Object.assign(disk, { freeBytes: 0, neededBytes: 1000, tookMs: 1000 });
  cutter.handed(150);
  await timers.advance(110_000);
  expect(cuts.length).toBeGreaterThan(5);
  expect(cuts.length - 1).toBeLessThanOrEqual(11);
});

test("the timer cuts soon after there is room", async () => {
  const { cutter, disk, timers } = setUp();
  Object.assign(disk, { freeBytes: 0, neededBytes: 1000, tookMs: 10_000 });
  cutter.handed(150);
  await timers.advance(20_000);
  expect(cutter.pendingBytes()).toBe(50);
  disk.freeBytes = 1000;
  await timers.advance(11_000);
  expect(cutter.pendingBytes()).toBe(0);
});

test.each([
  ["the disk does not tell its room", undefined],
  ["there was room enough", 1000],
])("a cut that fails though %s is tried after a while that grows", async (_, freeBytes) => {
  const { cutter, cuts, disk, fail, timers } = setUp({ ...SETTINGS, cutAfterMs: 1e6 });
  Object.assign(disk, { freeBytes, neededBytes: freeBytes });
  fail.cut = true;
  cutter.handed(150);
  const tried: number[] = [];
  for (let ms = 0; ms < 3000; ms += 10) {
    const before = cuts.length;
    await expect(cutter.cutNow()).rejects.toThrow("disk full");
    if (cuts.length > before) tried.push(ms);
    await timers.advance(10);
  }
  expect(tried).toEqual([0, 100, 300, 700, 1500, 2500]);
});

test("a failed commit is tried again at once when there is more room than it had", async () => {
  const { cutter, commits, disk, fail, timers } = setUp();
  disk.freeBytes = 4096;
  fail.commit = true;
  cutter.handed(150);
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  fail.commit = false;
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  disk.freeBytes = 8192;
  const waiting = cutter.cutNow();
  await timers.advance(99);
  expect(commits).toEqual([]);
  await timers.advance(1);
  await waiting;
  expect(commits).toMatchObject([{ cutTo: 150 }]);
});

test("a failed commit does not wait as long as its segments took", async () => {
  const { cutter, commits, disk, fail, timers } = setUp();
  Object.assign(disk, { freeBytes: 4096, tookMs: 3000 });
  fail.commit = true;
  cutter.handed(150);
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  fail.commit = false;
  await timers.advance(100);
  await cutter.cutNow();
  expect(commits).toMatchObject([{ cutTo: 150 }]);
});

test("failed cuts are logged once a second", async () => {
  const { cutter, errors, fail, timers } = setUp();
  fail.cut = true;
  cutter.handed(150);
  for (let ms = 0; ms < 3000; ms += 10) {
    await cutter.cutNow().catch(() => {});
    await timers.advance(10);
  }
  expect(errors).toEqual(["cut failed", "cut failed", "cut failed"]);
  expect(cutter.failures).toBeGreaterThan(5);
});

test("segments whose commit failed are committed before more are written", async () => {
  const { cutter, commits, cuts, fail, timers } = setUp();
  cutter.handed(150);
  fail.commit = true;
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  cutter.handed(170);
  await timers.advance(10_000);
  expect(cuts).toEqual([{ from: 100, to: 150 }]);
  expect(cutter.pendingBytes()).toBe(70);
  fail.commit = false;
  await timers.advance(3000);
  expect(commits).toEqual([
    { add: [{ id: "s1" }], cutTo: 150 },
    { add: [{ id: "s2" }], cutTo: 170 },
  ]);
  expect(cuts.at(-1)).toEqual({ from: 150, to: 170 });
});

test("segments are told once, when they are committed", async () => {
  const { cutter, told, fail, timers } = setUp();
  fail.commit = true;
  cutter.handed(150);
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  expect(told).toEqual([]);
  fail.commit = false;
  cutter.handed(170);
  await timers.advance(3000);
  expect(told).toEqual(["s1", "s2"]);
});

test("who goes away does not wait for the cut under way, which goes on", async () => {
  const { cutter, commits, slow } = setUp();
  const { promise, resolve } = Promise.withResolvers<void>();
  slow.promise = promise;
  cutter.handed(150);
  const controller = new AbortController();
  const waiting = cutter.cutNow(controller.signal);
  await settle();
  controller.abort();
  await expect(waiting).rejects.toThrow("abort");
  resolve();
  await cutter.cutNow();
  expect(commits).toMatchObject([{ cutTo: 150 }]);
});

test("who goes away does not wait for a disk that does not tell how full it is", async () => {
  const { cutter, disk } = setUp();
  Object.assign(disk, { freeBytes: 10, neededBytes: 50 });
  cutter.handed(150);
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  disk.answers = new Promise(() => {});
  const controller = new AbortController();
  const waiting = cutter.cutNow(controller.signal);
  await settle();
  controller.abort();
  await expect(waiting).rejects.toThrow("abort");
});

test("close cuts what is left at once", async () => {
  const { cutter, cuts, timers } = setUp();
  cutter.handed(150);
  await cutter.cutNow();
  cutter.handed(160);
  await cutter.close();
  expect(cuts.at(-1)).toEqual({ from: 150, to: 160 });
  await timers.advance(10_000);
  expect(cuts).toHaveLength(2);
});

test("so many bytes are cut without waiting for the timer", async () => {
  const { cutter, cuts, timers } = setUp();
  cutter.handed(599);
  await timers.advance(0);
  expect(cuts).toEqual([]);
  cutter.handed(600);
  await timers.advance(0);
  expect(cuts).toEqual([{ from: 100, to: 600 }]);
});
