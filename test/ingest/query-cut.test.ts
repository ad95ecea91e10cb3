import { expect, test } from "vitest";
import { PintailError } from "../../src/errors.ts";
import { QueryCut } from "../../src/ingest/query-cut.ts";

function setUp(cutNow: (signal?: AbortSignal) => Promise<void>) {
  const warnings: Record<string, unknown>[] = [];
  const warn = (message: string, fields = {}) => void warnings.push({ message, ...fields });
  const log = { debug() {}, info() {}, warn, error() {}, with: () => log };
  const clock = { ms: 0 };
  const cutter = { cutNow, pendingBytes: () => 50 };
  const queryCut = new QueryCut({ cutter, log, monotonicMs: () => clock.ms });
  return { queryCut, warnings, clock };
}

const FULL = new PintailError("unavailable", "disk full");

test("a query goes without what cannot be cut; that is counted, and told now and then", async () => {
  const { queryCut, warnings, clock } = setUp(() => Promise.reject(FULL));
  const { signal } = new AbortController();
  for (let i = 0; i < 3; i++) await queryCut.cut(signal);
  expect(queryCut.incomplete).toBe(3);
  expect(warnings).toEqual([
    { message: "query goes without the newest spans", pendingBytes: 50, error: FULL },
  ]);
  clock.ms += 10_000;
  await queryCut.cut(signal);
  expect(warnings[1]).toMatchObject({ suppressed: 2 });
});

test("a query that was cut for, went away or met a fault of ours is not counted", async () => {
  const fine = setUp(async () => {});
  await fine.queryCut.cut(new AbortController().signal);
  const left = setUp(() => Promise.reject(FULL));
  await expect(left.queryCut.cut(AbortSignal.abort())).rejects.toMatchObject({ kind: "canceled" });
  const broken = setUp(() => Promise.reject(new Error("bug")));
  await expect(broken.queryCut.cut(new AbortController().signal)).rejects.toThrow("bug");
  for (const { queryCut, warnings } of [fine, left, broken]) {
    expect([queryCut.incomplete, warnings]).toEqual([0, []]);
  }
});
