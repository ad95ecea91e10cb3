import { expect, test } from "vitest";
import { PintailError } from "../../src/errors.ts";
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
  const slow: { promise?: Promise<void> } = {};
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
      onCommitted: (segments) => told.push(...segments.map(({ id }) => id)),
      log: silent,
      monotonicMs: () => timers.nowMs,
      after: timers.after,
      cut: (walRange) => {
        cuts.push(walRange);
        if (fail.cut) return Promise.reject(new PintailError("unavailable", "disk full"));
        const metas = [{ id: `s${cuts.length}` } as SegmentMeta];
        return slow.promise?.then(() => metas) ?? Promise.resolve(metas);
      },
    },
    settings,
  );
  return { timers, cuts, commits, told, fail, slow, cutter };
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
