import { expect, test } from "vitest";
import { PintailError } from "../../src/errors.ts";
import { Cutter, type CutterSettings } from "../../src/ingest/cutter.ts";
import type { SegmentMeta, WalRange } from "../../src/schema/segment-meta.ts";
import type { Catalog, CatalogChange } from "../../src/storage/catalog/catalog.ts";

const SETTINGS: CutterSettings = { cutAfterMs: 1000, minCutIntervalMs: 100 };

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
  const fail = { cut: false, commit: false };
  const catalog = {
    walPositions: () => ({ cutTo: 100, releasedTo: 0 }),
    commit: (change: CatalogChange) => {
      if (fail.commit) return Promise.reject(new PintailError("unavailable", "disk full"));
      commits.push({ ...change, add: [...(change.add ?? [])] });
      return Promise.resolve();
    },
  } as unknown as Catalog;
  const silent = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
  const cutter = new Cutter(
    {
      catalog,
      log: silent,
      nowMs: () => timers.nowMs,
      after: timers.after,
      cut: (walRange) => {
        if (fail.cut) return Promise.reject(new PintailError("unavailable", "disk full"));
        cuts.push(walRange);
        return Promise.resolve([{ id: `s${cuts.length}` } as SegmentMeta]);
      },
    },
    settings,
  );
  return { timers, cuts, commits, fail, cutter };
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

test("a failed cut reaches the query, and its range is cut again later", async () => {
  const { cutter, cuts, fail, timers } = setUp();
  cutter.handed(150);
  fail.cut = true;
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  fail.cut = false;
  cutter.handed(170);
  await timers.advance(3000);
  expect(cuts).toEqual([{ from: 100, to: 170 }]);
  expect(cutter.pendingBytes()).toBe(0);
});

test("after a failed cut queries do not wait for the next try, nor for the timer's tries", async () => {
  const { cutter, fail, timers } = setUp();
  fail.cut = true;
  cutter.handed(150);
  await timers.advance(1000);
  for (let tries = 0; tries < 3; tries++) {
    // Half a second after the timer's try and half a second before its next.
    await timers.advance(500);
    await expect(cutter.cutNow()).rejects.toThrow("disk full");
    await timers.advance(500);
  }
  fail.cut = false;
  await timers.advance(1000);
  await cutter.cutNow();
  expect(cutter.pendingBytes()).toBe(0);
});

test("segments whose commit failed are in the next commit", async () => {
  const { cutter, commits, fail, timers } = setUp();
  cutter.handed(150);
  fail.commit = true;
  await expect(cutter.cutNow()).rejects.toThrow("disk full");
  fail.commit = false;
  await timers.advance(3000);
  expect(commits).toEqual([{ add: [{ id: "s1" }, { id: "s2" }], cutTo: 150 }]);
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
