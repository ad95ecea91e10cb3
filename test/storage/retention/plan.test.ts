import { expect, test } from "vitest";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { planDrops } from "../../../src/storage/retention/plan.ts";
import { classesFor, keepMsOf, type TenantPolicy } from "../../../src/storage/retention/policy.ts";
import { retentionReport } from "../../../src/storage/retention/report.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";

const NOW_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const POLICY: TenantPolicy = {
  retentionMs: 24 * HOUR_MS,
  classes: [
    { name: "errors", query: "{ status = error }", retentionMs: 48 * HOUR_MS },
    { name: "gold", query: "{ .gold }", retentionMs: 0 },
  ],
  frozen: false,
};

function aged(id: string, hours: number, changes: Partial<SegmentMeta> = {}): SegmentMeta {
  const maxEnd = BigInt(NOW_MS - hours * HOUR_MS) * 1_000_000n;
  return aSegmentMeta({ id, tenant: "t", maxEnd, byteSize: 100, ...changes });
}

function planned(
  segments: readonly SegmentMeta[],
  bounds: { policy?: TenantPolicy; maxBytes?: number; excess?: number },
): string[] {
  return planDrops({
    tenants: [{ policy: bounds.policy ?? POLICY, segments }],
    nowMs: NOW_MS,
    maxBytesPerTenant: bounds.maxBytes ?? 0,
    excessDiskBytes: bounds.excess ?? 0,
  }).map(({ segment, reason }) => `${segment.id} ${reason}`);
}

test("each class has its own time, one without an end never passes, one no longer known is none", () => {
  const segments = [
    aged("base", 25),
    aged("young", 23),
    aged("error", 47, { retentionClass: "errors" }),
    aged("old-error", 49, { retentionClass: "errors" }),
    aged("gold", 9000, { retentionClass: "gold" }),
    aged("former", 25, { retentionClass: "former" }),
  ];
  expect(planned(segments, {})).toEqual(["base age", "old-error age", "former age"]);
});

test("a tenant that keeps everything longer keeps its classes as long", () => {
  expect(keepMsOf({ ...POLICY, retentionMs: 72 * HOUR_MS }, "errors")).toBe(72 * HOUR_MS);
  expect(keepMsOf({ ...POLICY, retentionMs: 0 }, "errors")).toBe(0);
});

test("beyond its bytes a tenant's oldest go, classes last, head cuts never", () => {
  const segments = [
    aged("l0", 5, { level: 0 }),
    aged("a", 3),
    aged("b", 4),
    aged("c", 1),
    aged("e", 20, { retentionClass: "errors" }),
  ];
  expect(planned(segments, { maxBytes: 500 })).toEqual([]);
  expect(planned(segments, { maxBytes: 301 })).toEqual(["b bytes", "a bytes"]);
  expect(planned(segments, { maxBytes: 1 })).toEqual(["b bytes", "a bytes", "c bytes", "e bytes"]);
});

test("a disk that is too full is freed by local segments alone, less what goes anyway", () => {
  const object = { version: "1" };
  const segments = [aged("gone", 25), aged("stored", 20, { object }), aged("x", 10), aged("y", 9)];
  expect(planned(segments, { excess: 150 })).toEqual(["gone age", "x disk"]);
  expect(planned(segments, { excess: 100 })).toEqual(["gone age"]);
});

test("nothing of a tenant without compaction goes, for whatever reason", () => {
  const segments = [aged("a", 9000), aged("b", 1)];
  const policy = { ...POLICY, frozen: true };
  expect(planned(segments, { policy, maxBytes: 1, excess: 1e9 })).toEqual([]);
});

test("classes that ended before those that last are still asked for, since they come first", () => {
  const names = (s: SegmentMeta) => classesFor(POLICY, s, NOW_MS).map(({ name }) => name);
  expect(names(aged("a", 30))).toEqual(["errors", "gold"]);
  expect(names(aged("a", 50))).toEqual(["errors", "gold"]);
  expect(names(aged("a", 50, { retentionClass: "errors" }))).toEqual([]);
});

test("the report gives amounts by class, what is due, and the next expiry", () => {
  const segments = [aged("a", 25), aged("b", 10), aged("e", 10, { retentionClass: "errors" })];
  const due = planDrops({
    tenants: [{ policy: POLICY, segments }],
    nowMs: NOW_MS,
    maxBytesPerTenant: 0,
    excessDiskBytes: 0,
  });
  expect(retentionReport("t", POLICY, segments, due, NOW_MS)).toEqual({
    tenant: "t",
    frozen: false,
    held: [
      {
        class: "",
        retentionMs: 24 * HOUR_MS,
        segments: 2,
        spans: 2000,
        bytes: 200,
        oldestEndUnixMs: NOW_MS - 25 * HOUR_MS,
        nextExpiryUnixMs: NOW_MS - HOUR_MS,
        withinDay: { segments: 2, spans: 2000, bytes: 200 },
      },
      {
        class: "errors",
        retentionMs: 48 * HOUR_MS,
        segments: 1,
        spans: 1000,
        bytes: 100,
        oldestEndUnixMs: NOW_MS - 10 * HOUR_MS,
        nextExpiryUnixMs: NOW_MS + 38 * HOUR_MS,
        withinDay: { segments: 0, spans: 0, bytes: 0 },
      },
    ],
    due: [
      {
        class: "",
        reason: "age",
        segments: 1,
        spans: 1000,
        bytes: 100,
        keeps: ["errors", "gold"],
      },
    ],
  });
});
