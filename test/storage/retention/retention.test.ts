import { expect, test } from "vitest";
import { Retention } from "../../../src/storage/retention/retention.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { MemoryCatalog } from "../../support/memory-catalog.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";

const NOW_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;

function setUp(retentionMs: number, disabled = false) {
  const clock = { nowMs: NOW_MS };
  const catalog = new MemoryCatalog(() => clock.nowMs);
  const deleted: string[] = [];
  const disk: { fails: boolean; stuck?: string } = { fails: false };
  const failures = { count: 0 };
  const retention = new Retention(
    {
      catalog,
      segments: {
        remove: async (segments) => {
          if (disk.fails || segments.some((s) => s.id === disk.stuck)) {
            throw new Error("input/output error");
          }
          deleted.push(...segments.map((s) => s.id));
        },
      },
      changes: {
        exclusive: (work) => work(),
        extract: async () => {
          throw new Error("there are no classes");
        },
        retire: (segments) => catalog.commit({ remove: segments.map((s) => s.id) }),
        discard: async () => {},
      },
      policyOf: () => ({ retentionMs, classes: [], frozen: false }),
      matchTraces: async () => [],
      excessDiskBytes: async () => 0,
      log: silentLogger,
      nowMs: () => clock.nowMs,
      metrics: {
        dropped: () => {},
        deleted: () => {},
        failed: () => {
          failures.count++;
        },
      },
    },
    { deleteGraceMs: 60_000, disabled, maxBytesPerTenant: 0 },
  );
  return { catalog, clock, deleted, disk, failures, retention };
}

function endedAgo(id: string, agoMs: number, level = 1) {
  return aSegmentMeta({ id, level, tenant: "t", maxEnd: BigInt(NOW_MS - agoMs) * 1_000_000n });
}

test("segments whose latest span ended before the retention are dropped, others stay", async () => {
  const { catalog, retention } = setUp(HOUR_MS);
  await catalog.commit({ add: [endedAgo("old", HOUR_MS + 1), endedAgo("young", HOUR_MS)] });
  await retention.run();
  expect(catalog.segments("t").map((s) => s.id)).toEqual(["young"]);
});

test("head cuts stay: the L1 of their WAL range would bring them back", async () => {
  const { catalog, retention } = setUp(HOUR_MS);
  await catalog.commit({ add: [endedAgo("old", 2 * HOUR_MS, 0)] });
  await retention.run();
  expect(catalog.segments("t")).toHaveLength(1);
});

test("a retention of 0 keeps everything", async () => {
  const { catalog, retention } = setUp(0);
  await catalog.commit({ add: [endedAgo("old", 1000 * HOUR_MS)] });
  await retention.run();
  expect(catalog.segments("t")).toHaveLength(1);
});

test("files are deleted after the grace period, and tried again when that fails", async () => {
  const { catalog, clock, deleted, disk, failures, retention } = setUp(HOUR_MS);
  await catalog.commit({ add: [endedAgo("old", 2 * HOUR_MS)] });
  await retention.run();
  clock.nowMs += 59_000;
  await retention.run();
  expect(deleted).toEqual([]);
  clock.nowMs += 1000;
  disk.fails = true;
  await retention.run();
  expect(failures.count).toBe(1);
  disk.fails = false;
  await retention.run();
  expect(deleted).toEqual(["old"]);
  expect(catalog.deletable(0)).toEqual([]);
});

test("a file that cannot be deleted does not keep the others", async () => {
  const { catalog, clock, deleted, disk, failures, retention } = setUp(HOUR_MS);
  await catalog.commit({ add: ["a", "b", "c"].map((id) => endedAgo(id, 2 * HOUR_MS)) });
  await retention.run();
  clock.nowMs += 60_000;
  disk.stuck = "b";
  await retention.run();
  expect(deleted.sort()).toEqual(["a", "c"]);
  expect(failures.count).toBe(1);
  expect(catalog.deletable(0).map(({ id }) => id)).toEqual(["b"]);
});

test("disabled, it drops nothing, deletes what was replaced, and never rejects", async () => {
  const { catalog, clock, deleted, disk, failures, retention } = setUp(HOUR_MS, true);
  await catalog.commit({ add: [endedAgo("old", 2 * HOUR_MS), endedAgo("gone", 2 * HOUR_MS)] });
  await catalog.commit({ remove: ["gone"] });
  clock.nowMs += 60_000;
  disk.fails = true;
  await retention.run();
  expect(failures.count).toBe(1);
  disk.fails = false;
  await retention.run();
  expect(deleted).toEqual(["gone"]);
  expect(catalog.segments("t").map((s) => s.id)).toEqual(["old"]);
});

test("after close nothing runs any more", async () => {
  const { catalog, retention } = setUp(HOUR_MS);
  await catalog.commit({ add: [endedAgo("old", 2 * HOUR_MS)] });
  await retention.close();
  await retention.run();
  expect(catalog.segments("t")).toHaveLength(1);
});
