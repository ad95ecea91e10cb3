import { expect, test } from "vitest";
import { PintailError } from "../../../src/errors.ts";
import type { SegmentMeta, WalRange } from "../../../src/schema/segment-meta.ts";
import {
  Compactor,
  type CompactorParts,
  type CompactorSettings,
  type HiddenCheck,
} from "../../../src/storage/compaction/compactor.ts";
import type { FromCompactionWorker } from "../../../src/storage/compaction/messages.ts";
import { packTraceIds } from "../../../src/storage/compaction/trace-set.ts";
import { DamagedSegmentError } from "../../../src/storage/segments/read/read-error.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { MemoryCatalog } from "../../support/memory-catalog.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";

const SETTINGS: CompactorSettings = {
  l1Spans: 1000,
  l1WalBytes: 256 * 1024 * 1024,
  l1AfterMs: 60_000,
  l1Segments: 10,
  merge: { maxSpans: 1000, minInputs: 3, maxInputs: 8, windowNanos: 3_600_000_000_000n },
  mergeDisabled: false,
};

type Job = Parameters<CompactorParts["run"]>[0];

function setUp(settings = SETTINGS) {
  const catalog = new MemoryCatalog();
  const clock = { nowMs: 100_000, wallOffsetMs: 0 };
  const jobs: Job[] = [];
  const released: number[] = [];
  const failures = { count: 0, setAside: 0 };
  const removed: string[] = [];
  const disk = { full: false };
  const commit = catalog.commit.bind(catalog);
  catalog.commit = async (change) => {
    if (disk.full) throw new PintailError("unavailable", "disk full");
    return commit(change);
  };
  /** What the thread answers; the test replaces it. */
  const thread = {
    answer: (_job: Job): readonly SegmentMeta[] | Error => [],
    leftOut: 0,
    unchanged: false,
  };
  const checks: HiddenCheck[] = [];
  const compactor = new Compactor(
    {
      catalog,
      run: async (job): Promise<FromCompactionWorker> => {
        jobs.push(job);
        const answer = thread.answer(job);
        if (answer instanceof Error) {
          const damagedId = answer instanceof DamagedSegmentError ? answer.segmentId : undefined;
          return { type: "failed", id: 1, kind: "internal", message: answer.message, damagedId };
        }
        const { leftOut, unchanged } = thread;
        return { type: "done", id: 1, metas: answer, undecodable: 0, leftOut, unchanged, cpuMs: 1 };
      },
      pinInputs: async () => ({ pathOf: (id) => `/${id}`, [Symbol.dispose]() {} }),
      usedKeys: () => [],
      onChecked: (check) => checks.push(check),
      onDamaged: async ({ object }) => object !== undefined,
      voids: ({ from }) => [{ from: from + 1, to: from + 2 }],
      releaseWal: async (before) => {
        released.push(before);
      },
      maxAttributeBytesOf: () => 2048,
      removeFiles: async (segments) => {
        removed.push(...segments.map(({ id }) => id));
      },
      compactionDisabled: (tenant) => tenant === "frozen",
      log: silentLogger,
      nowMs: () => clock.nowMs + clock.wallOffsetMs,
      monotonicMs: () => clock.nowMs,
      metrics: {
        compacted: () => {},
        failed: () => {
          failures.count++;
        },
        setAside: () => {
          failures.setAside++;
        },
      },
    },
    settings,
  );
  const tick = async (): Promise<void> => {
    compactor.tick();
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };
  return {
    catalog,
    checks,
    clock,
    jobs,
    released,
    removed,
    disk,
    failures,
    thread,
    compactor,
    tick,
  };
}

/** A filter of no trace. */
const NOT_HELD = new Uint8Array(32);

let serial = 0;
function segment(changes: Partial<SegmentMeta>): SegmentMeta {
  serial++;
  return aSegmentMeta({ id: `01H${String(serial).padStart(23, "0")}`, tenant: "t", ...changes });
}
function l0(range: WalRange, rowCount: number, createdUnixMs = 100_000, tenant = "t"): SegmentMeta {
  return segment({ level: 0, walRange: range, rowCount, createdUnixMs, tenant });
}

test("a young, small head cut is left alone", async () => {
  const { catalog, jobs, tick } = setUp();
  await catalog.commit({ add: [l0({ from: 0, to: 10 }, 10)], cutTo: 10 });
  await tick();
  expect(jobs).toEqual([]);
});

test("enough spans make an L1 of the whole cut range, and the WAL is released", async () => {
  const { catalog, jobs, released, thread, tick } = setUp();
  const a = l0({ from: 0, to: 10 }, 600);
  const b = l0({ from: 10, to: 20 }, 300);
  const other = l0({ from: 10, to: 20 }, 200, 100_000, "u");
  await catalog.commit({ add: [a, b, other], cutTo: 20 });
  const made = [segment({ rowCount: 900 }), segment({ rowCount: 200, tenant: "u" })];
  thread.answer = () => made;
  await tick();
  expect(jobs).toMatchObject([
    {
      type: "l1",
      walRange: { from: 0, to: 20 },
      voids: [{ from: 1, to: 2 }],
      replaces: [
        { tenant: "t", ids: expect.arrayContaining([a.id, b.id]) },
        { tenant: "u", ids: [other.id] },
      ],
    },
  ]);
  expect(catalog.segments("t").map((s) => s.id)).toEqual([made[0]!.id]);
  expect(catalog.segments("u").map((s) => s.id)).toEqual([made[1]!.id]);
  expect(catalog.walPositions()).toEqual({ cutTo: 20, releasedTo: 20 });
  expect(released).toEqual([20]);
});

test.each([
  ["age", (now: number) => [l0({ from: 0, to: 10 }, 1, now - 60_000)]],
  [
    "number",
    (now: number) => Array.from({ length: 10 }, (_, i) => l0({ from: i, to: i + 1 }, 1, now)),
  ],
])("head cuts are due by their %s", async (_, segments) => {
  const { catalog, clock, jobs, thread, tick } = setUp();
  await catalog.commit({ add: segments(clock.nowMs), cutTo: 10 });
  thread.answer = () => [segment({ rowCount: 10 })];
  await tick();
  expect(jobs).toHaveLength(1);
});

test("an L1 that lacks spans of a tenant is thrown away, and L0 merged instead", async () => {
  const { catalog, failures, jobs, released, removed, thread, tick } = setUp();
  const a = l0({ from: 0, to: 10 }, 1000);
  const b = l0({ from: 0, to: 10 }, 10, 100_000, "u");
  await catalog.commit({ add: [a, b], cutTo: 10 });
  // More of one tenant does not make up for less of another.
  const bad = [segment({ rowCount: 999 }), segment({ rowCount: 11, tenant: "u" })];
  const good = new Map([
    ["t", segment({ rowCount: 1000, level: 2 })],
    ["u", segment({ rowCount: 10, level: 2, tenant: "u" })],
  ]);
  thread.answer = (job) => (job.type === "l1" ? bad : [good.get(job.tenant)!]);
  await tick();
  expect(jobs.map(({ type }) => type)).toEqual(["l1", "merge", "merge"]);
  expect(removed).toEqual(bad.map(({ id }) => id));
  expect(failures.count).toBe(0);
  expect(catalog.segments("t").map((s) => s.id)).toEqual([good.get("t")!.id]);
  expect(catalog.segments("u").map((s) => s.id)).toEqual([good.get("u")!.id]);
  expect(catalog.walPositions().releasedTo).toBe(10);
  expect(released).toEqual([10]);
});

test("a WAL that cannot be read does not keep L0 for ever", async () => {
  const { catalog, clock, failures, jobs, released, thread, tick } = setUp();
  await catalog.commit({ add: [l0({ from: 0, to: 10 }, 1000)], cutTo: 10 });
  const made = segment({ rowCount: 1000, level: 2 });
  thread.answer = (job) => (job.type === "l1" ? new Error("input/output error") : [made]);
  for (let tries = 1; tries <= 3; tries++) {
    await tick();
    expect(failures.count).toBe(tries);
    await tick();
    expect(jobs).toHaveLength(tries);
    clock.nowMs += 5000;
  }
  await tick();
  expect(catalog.segments("t").map((s) => s.id)).toEqual([made.id]);
  expect(released).toEqual([10]);
});

test("when neither way to L1 works, L0 and the WAL stay", async () => {
  const { catalog, clock, failures, released, removed, thread, tick } = setUp();
  const a = l0({ from: 0, to: 10 }, 1000);
  await catalog.commit({ add: [a], cutTo: 10 });
  const short = segment({ rowCount: 999, level: 2 });
  thread.answer = (job) => (job.type === "l1" ? new Error("input/output error") : [short]);
  for (let tries = 0; tries < 5; tries++) {
    await tick();
    clock.nowMs += 5000;
  }
  expect(failures.count).toBe(5);
  expect(removed).toEqual([short.id]);
  expect(catalog.segments("t").map((s) => s.id)).toEqual([a.id]);
  expect(released).toEqual([]);
});

test("a commit that failed is repeated; the work is not", async () => {
  const { catalog, clock, disk, failures, jobs, released, removed, thread, tick } = setUp();
  await catalog.commit({ add: [l0({ from: 0, to: 10 }, 1000)], cutTo: 10 });
  const made = segment({ rowCount: 1000 });
  thread.answer = () => [made];
  disk.full = true;
  await tick();
  clock.nowMs += 5000;
  await tick();
  expect(failures.count).toBe(2);
  expect(released).toEqual([]);
  disk.full = false;
  clock.nowMs += 5000;
  await tick();
  expect(jobs).toHaveLength(1);
  expect(removed).toEqual([]);
  expect(catalog.segments("t").map((s) => s.id)).toEqual([made.id]);
  expect(released).toEqual([10]);
});

test("a merge's commit that took effect although it failed keeps its result", async () => {
  const { catalog, clock, disk, removed, thread, tick } = setUp();
  const small = [1, 2, 3].map(() => segment({ rowCount: 20 }));
  await catalog.commit({ add: small });
  const merged = segment({ rowCount: 60, level: 2 });
  thread.answer = () => [merged];
  disk.full = true;
  await tick();
  disk.full = false;
  await catalog.commit({ add: [merged], remove: small.map((s) => s.id) });
  clock.nowMs += 5000;
  await tick();
  expect(removed).toEqual([]);
  expect(catalog.segments("t").map((s) => s.id)).toEqual([merged.id]);
});

test("a clock that is set back does not delay the next try", async () => {
  const { catalog, clock, jobs, thread, tick } = setUp();
  await catalog.commit({ add: [l0({ from: 0, to: 10 }, 1000, 0)], cutTo: 10 });
  thread.answer = () => new Error("busy");
  await tick();
  clock.wallOffsetMs = -86_400_000;
  clock.nowMs += 5000;
  await tick();
  expect(jobs).toHaveLength(2);
});

test("a range of refused records alone is released once it is large", async () => {
  const { catalog, released, tick } = setUp();
  await catalog.commit({ cutTo: 15 * 1024 * 1024 });
  await tick();
  expect(released).toEqual([]);
  await catalog.commit({ cutTo: 17 * 1024 * 1024 });
  await tick();
  expect(released).toEqual([17 * 1024 * 1024]);
});

test("a range of refused records alone is released at once while something is redacted", async () => {
  const { catalog, released, tick } = setUp();
  await catalog.commit({ cutTo: 100 });
  await tick();
  expect(released).toEqual([]);
  await catalog.commit({ redactions: [redaction("hiding", [TRACE])] });
  await tick();
  expect(released).toEqual([100]);
  await catalog.commit({ redactions: [redaction("done", [])], cutTo: 200 });
  await tick();
  expect(released).toEqual([100]);
});

test("small segments are merged and replaced in one commit", async () => {
  const { catalog, jobs, thread, tick } = setUp();
  const small = [1, 2, 3].map(() => segment({ rowCount: 20 }));
  await catalog.commit({ add: small });
  const merged = segment({ rowCount: 60, level: 2 });
  thread.answer = () => [merged];
  await tick();
  expect(jobs).toMatchObject([{ type: "merge", tenant: "t" }]);
  expect(catalog.segments("t").map((s) => s.id)).toEqual([merged.id]);
});

test("a large range is due before its time: refused records fill the WAL", async () => {
  const { catalog, jobs, thread, tick } = setUp();
  thread.answer = () => [segment({ rowCount: 1 })];
  await catalog.commit({ add: [l0({ from: 0, to: 10 }, 1)], cutTo: 255 * 1024 * 1024 });
  await tick();
  expect(jobs).toEqual([]);
  await catalog.commit({ cutTo: 257 * 1024 * 1024 });
  await tick();
  expect(jobs).toMatchObject([{ type: "l1" }]);
});

test("a tenant whose merge failed does not keep others from theirs", async () => {
  const { catalog, clock, jobs, thread, tick } = setUp();
  for (const tenant of ["a", "b"]) {
    await catalog.commit({ add: [1, 2, 3].map(() => segment({ rowCount: 20, tenant })) });
  }
  const merged = segment({ rowCount: 60, level: 2, tenant: "b" });
  thread.answer = (job) =>
    job.type === "merge" && job.tenant === "a" ? new Error("damaged") : [merged];
  await tick();
  clock.nowMs += 5000;
  await tick();
  expect(jobs).toMatchObject([{ tenant: "a" }, { tenant: "b" }]);
  clock.nowMs += 5000;
  await tick();
  expect(jobs).toHaveLength(2);
  clock.nowMs += 600_000;
  await tick();
  expect(jobs).toHaveLength(3);
});

test("a damaged input is left out of later merges; one that the bucket has, only the second time", async () => {
  const { catalog, clock, failures, jobs, thread, tick } = setUp();
  const small = [1, 2, 3, 4, 5].map(() => segment({ rowCount: 20 }));
  const [damaged, stored] = [small[1]!, small[2]!];
  await catalog.commit({ add: small });
  await catalog.commit({ stored: [{ id: stored.id, object: { version: "1" } }] });
  const merged = segment({ rowCount: 60, level: 2 });
  thread.answer = (job) => {
    const ids = job.type === "merge" ? job.inputs.map(({ meta }) => meta.id) : [];
    const bad = [damaged, stored].find(({ id }) => ids.includes(id));
    return bad ? new DamagedSegmentError("corrupt", bad.id, "damaged") : [merged];
  };
  await tick();
  expect(failures).toMatchObject({ count: 1, setAside: 1 });
  clock.nowMs += 10_000;
  await tick();
  expect(failures).toMatchObject({ count: 2, setAside: 1 });
  clock.nowMs += 11 * 60_000;
  await tick();
  expect(failures).toMatchObject({ count: 3, setAside: 2 });
  clock.nowMs += 10_000;
  await tick();
  expect(jobs).toHaveLength(4);
  expect(
    catalog
      .segments("t")
      .map(({ id }) => id)
      .sort(),
  ).toEqual([merged.id, damaged.id, stored.id].sort());
});

test("a merge whose input expired meanwhile does not bring it back", async () => {
  const { catalog, removed, thread, tick } = setUp();
  const small = [1, 2, 3].map(() => segment({ rowCount: 20 }));
  await catalog.commit({ add: small });
  const merged = segment({ rowCount: 60, level: 2 });
  thread.answer = () => {
    void catalog.commit({ remove: [small[0]!.id] });
    return [merged];
  };
  await tick();
  expect(removed).toEqual([merged.id]);
  const left = catalog.segments("t").map((s) => s.id);
  expect(left.sort()).toEqual([small[1]!.id, small[2]!.id].sort());
});

test("a merge that lost or doubled spans is refused", async () => {
  const { catalog, failures, removed, thread, tick } = setUp();
  const small = [1, 2, 3].map(() => segment({ rowCount: 20 }));
  await catalog.commit({ add: small });
  const doubled = segment({ rowCount: 61, level: 2 });
  thread.answer = () => [doubled];
  await tick();
  expect(failures.count).toBe(1);
  expect(removed).toEqual([doubled.id]);
  expect(catalog.segments("t")).toHaveLength(3);
});

test("a tenant without compaction is not merged", async () => {
  const { catalog, jobs, tick } = setUp();
  await catalog.commit({ add: [1, 2, 3].map(() => segment({ rowCount: 20, tenant: "frozen" })) });
  await tick();
  expect(jobs).toEqual([]);
});

const TRACE = "0123456789abcdef0123456789abcdef";
const OTHER = "fedcba9876543210fedcba9876543210";

function redaction(state: "hiding" | "done", traceIds: readonly string[]) {
  return {
    id: "01J00000000000000000000000",
    tenant: "t",
    query: "{}",
    requestedBy: "",
    reason: "",
    createdUnixMs: 1,
    traceCount: traceIds.length,
    spanCount: traceIds.length,
    traceIds,
    state,
    doneUnixMs: undefined,
    removedSpans: 0,
  };
}

test("a segment with redacted traces is rewritten without them, ahead of merges", async () => {
  const { catalog, checks, jobs, thread, tick } = setUp();
  const small = [1, 2, 3].map(() => segment({ rowCount: 20, traceFilter: NOT_HELD }));
  const held = segment({ rowCount: 900, traceFilter: new Uint8Array(0), retentionClass: "slow" });
  await catalog.commit({ add: [...small, held] });
  await catalog.commit({ redactions: [redaction("hiding", [TRACE])] });
  const rewritten = segment({ rowCount: 890, level: 2, traceFilter: NOT_HELD });
  thread.answer = () => [rewritten];
  thread.leftOut = 10;
  await tick();
  const hiddenTraces = packTraceIds([TRACE]);
  expect(jobs).toMatchObject([{ type: "merge", onlyIfLess: true, retentionClass: "slow" }]);
  expect(jobs[0]).toHaveProperty("hiddenTraces", hiddenTraces);
  expect(catalog.segment(held.id)).toBeUndefined();
  expect(catalog.segment(rewritten.id)).toBeDefined();
  expect(checks).toEqual([
    { tenant: "t", segmentIds: [rewritten.id], traceIds: new Set([TRACE]), removedSpans: 10 },
  ]);
});

test("a segment that held nothing but redacted traces just leaves", async () => {
  const { catalog, checks, thread, tick } = setUp();
  const held = segment({ rowCount: 10, traceFilter: new Uint8Array(0) });
  await catalog.commit({ add: [held] });
  await catalog.commit({ redactions: [redaction("hiding", [TRACE])] });
  thread.leftOut = 10;
  await tick();
  expect(catalog.segments("t")).toEqual([]);
  expect(checks).toMatchObject([{ segmentIds: [], removedSpans: 10 }]);
});

test("a segment that only seems to hold redacted traces is read once for each of them", async () => {
  const { catalog, checks, clock, compactor, jobs, thread, tick } = setUp();
  const seems = segment({ rowCount: 900, traceFilter: new Uint8Array(0) });
  await catalog.commit({ add: [seems] });
  await catalog.commit({ redactions: [redaction("hiding", [TRACE])] });
  thread.unchanged = true;
  for (let i = 0; i < 3; i++) {
    await tick();
    clock.nowMs += 60_000;
  }
  expect(jobs).toHaveLength(1);
  expect(checks).toMatchObject([{ segmentIds: [seems.id], removedSpans: 0 }]);
  expect(compactor.hiddenChecks.mayHold(catalog.segment(seems.id)!)).toBe(false);
  await catalog.commit({ redactions: [redaction("hiding", [TRACE, OTHER])] });
  expect(compactor.hiddenChecks.mayHold(catalog.segment(seems.id)!)).toBe(true);
  await tick();
  expect(jobs).toHaveLength(2);
});

test("head cuts with redacted traces become L1 without the WAL, which would bring them back", async () => {
  const { catalog, checks, jobs, released, thread, tick } = setUp();
  const a = l0({ from: 0, to: 10 }, 1000);
  await catalog.commit({ add: [{ ...a, traceFilter: new Uint8Array(0) }], cutTo: 10 });
  await catalog.commit({ redactions: [redaction("hiding", [TRACE])] });
  const made = segment({ rowCount: 996, level: 2, traceFilter: NOT_HELD });
  thread.answer = () => [made];
  thread.leftOut = 4;
  await tick();
  expect(jobs.map(({ type }) => type)).toEqual(["merge"]);
  expect(catalog.segments("t").map((s) => s.id)).toEqual([made.id]);
  expect(released).toEqual([10]);
  expect(checks).toMatchObject([{ removedSpans: 4 }]);
});

test("a rewrite that fails waits, and keeps neither other segments nor merges from their turn", async () => {
  const { catalog, clock, failures, jobs, thread, tick } = setUp();
  const held = segment({ rowCount: 900, traceFilter: new Uint8Array(0) });
  const small = [1, 2, 3].map(() => segment({ rowCount: 20, traceFilter: NOT_HELD }));
  await catalog.commit({ add: [held, ...small] });
  await catalog.commit({ redactions: [redaction("hiding", [TRACE])] });
  const merged = segment({ rowCount: 60, level: 2, traceFilter: NOT_HELD });
  thread.answer = (job) =>
    job.type === "merge" && job.inputs.length === 1 ? new Error("damaged") : [merged];
  await tick();
  expect(failures.count).toBe(1);
  clock.nowMs += 5000;
  await tick();
  expect(jobs).toHaveLength(2);
  expect(catalog.segment(merged.id)).toBeDefined();
});

test("merges pause three times as long as they took; L1 does not wait for that", async () => {
  const { catalog, clock, jobs, thread, tick } = setUp();
  await catalog.commit({ add: [1, 2, 3].map(() => segment({ rowCount: 20 })) });
  thread.answer = (job) => {
    clock.nowMs += 10_000;
    return job.type === "l1" ? [segment({ rowCount: 1000, level: 1 })] : [merged()];
  };
  const merged = () => segment({ rowCount: 60, level: 2 });
  await tick();
  expect(jobs).toHaveLength(1);
  await catalog.commit({ add: [1, 2, 3].map(() => segment({ rowCount: 20 })) });
  clock.nowMs += 29_000;
  await tick();
  expect(jobs).toHaveLength(1);
  await catalog.commit({ add: [l0({ from: 0, to: 10 }, 1000)], cutTo: 10 });
  await tick();
  expect(jobs.map(({ type }) => type)).toEqual(["merge", "l1"]);
  clock.nowMs += 1000;
  await tick();
  expect(jobs.map(({ type }) => type)).toEqual(["merge", "l1", "merge"]);
});

test("no job runs beside an exclusive change, and none begins before its end", async () => {
  const { catalog, compactor, jobs, thread, tick } = setUp();
  await catalog.commit({ add: [1, 2, 3].map(() => segment({ rowCount: 20 })) });
  thread.answer = () => [segment({ rowCount: 60, level: 2 })];
  const held = Promise.withResolvers<void>();
  const change = compactor.exclusive(async () => {
    await held.promise;
    return "changed";
  });
  await tick();
  expect(jobs).toEqual([]);
  held.resolve();
  expect(await change).toBe("changed");
  await tick();
  expect(jobs).toHaveLength(1);
});
