import { expect, test } from "vitest";
import type { SegmentMeta, SegmentSummary } from "../../../src/schema/segment-meta.ts";
import { MAX_REDACTED_TRACES } from "../../../src/storage/catalog/redaction.ts";
import { HiddenChecks } from "../../../src/storage/compaction/hidden-checks.ts";
import {
  type FoundTraces,
  MAX_HIDDEN_TRACES,
  Redactions,
} from "../../../src/storage/redaction/redactions.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { MemoryCatalog } from "../../support/memory-catalog.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";

const TENANT = "single-tenant";
const { signal } = new AbortController();
const idOf = (n: number): string => n.toString(16).padStart(32, "0");
const REQUEST = {
  tenant: TENANT,
  query: "{}",
  range: undefined,
  requestedBy: "kim",
  reason: "gdpr",
};

/** A filter that lets all ids pass. */
const ALL = new Uint8Array(0);

function segment(id: string, init: Partial<SegmentMeta> = {}): SegmentMeta {
  return aSegmentMeta({ id, tenant: TENANT, level: 1, traceFilter: ALL, ...init });
}

async function setUp(segments: readonly SegmentMeta[]) {
  let nowMs = 1_000_000;
  const catalog = new MemoryCatalog(() => nowMs);
  await catalog.commit({ add: segments, cutTo: 100, releasedTo: 100 });
  const checks = new HiddenChecks(catalog);
  const state = {
    found: { traceIds: new Set([idOf(1), idOf(2)]), spanCount: 5, more: false } as FoundTraces,
    oldestLsn: 0,
    rolls: 0,
    released: [] as number[],
    cuts: 0,
    onCut: async () => {},
    failCut: false,
    quarantined: 0,
  };
  let ids = 0;
  const parts = {
    catalog,
    cutHead: async () => {
      state.cuts++;
      if (state.failCut) throw new Error("disk full");
      await state.onCut();
    },
    findTraces: async () => state.found,
    mayHold: (meta: SegmentSummary) => checks.mayHold(meta),
    wal: {
      get oldestLsn() {
        return state.oldestLsn;
      },
      roll: () => {
        state.rolls++;
      },
      release: async (before: number) => {
        state.released.push(before);
      },
      counts: () => ({ quarantined: { kept: state.quarantined } }),
    },
    newId: () => `01REDACTION${String(ids++).padStart(15, "0")}`,
    nowMs: () => nowMs,
    log: silentLogger,
  };
  const settings = { deleteGraceMs: 60_000, deleteIntervalMs: 10_000 };
  const redactions = new Redactions(parts, settings);
  /** As the compactor does when it rewrote a segment. */
  const rewrite = async (from: string, to: SegmentMeta, removedSpans: number) => {
    const traceIds = new Set(catalog.segment(from)?.hiddenTraces ?? []);
    await catalog.commit({ add: [to], remove: [from] });
    checks.holdsNone(to.id, traceIds);
    redactions.onChecked({ tenant: to.tenant, segmentIds: [to.id], traceIds, removedSpans });
  };
  return {
    ...{ catalog, checks, state, redactions, rewrite, parts, settings },
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

test("a dry run counts and changes nothing", async () => {
  const { redactions, catalog, state } = await setUp([
    segment("A", { byteSize: 10 }),
    segment("B", { byteSize: 20 }),
    segment("C", { byteSize: 40, tenant: "other" }),
  ]);
  expect(await redactions.preview(REQUEST, signal)).toEqual({
    ...{ traceCount: 2, spanCount: 5, segmentCount: 2, segmentBytes: 30 },
    examples: [idOf(1), idOf(2)],
  });
  expect(state.cuts).toBe(1);
  expect(catalog.redactions()).toEqual([]);
});

test("applying hides the traces in one commit and records who asked and why", async () => {
  const { redactions, catalog, state } = await setUp([segment("A")]);
  const { redaction } = await redactions.apply(REQUEST, signal);
  expect(catalog.segment("A")?.hiddenTraces).toEqual([idOf(1), idOf(2)]);
  expect(redaction).toEqual({
    ...{ id: redaction!.id, tenant: TENANT, query: "{}", requestedBy: "kim", reason: "gdpr" },
    ...{ createdUnixMs: 1_000_000, traceCount: 2, spanCount: 5, state: "hiding", removedSpans: 0 },
    ...{ doneUnixMs: undefined, segmentsLeft: 1, filesDeletedByUnixMs: undefined, filesLeft: 0 },
    quarantinedPieces: 0,
  });
  expect(redactions.get(TENANT, redaction!.id)).toEqual(redaction);
  state.quarantined = 2;
  expect(redactions.get(TENANT, redaction!.id)?.quarantinedPieces).toBe(2);
  expect(redactions.get("other", redaction!.id)).toBeUndefined();
  expect(redactions.list("other")).toEqual([]);
});

/** Of a time before the redaction's. */
const [OLD_A, OLD_B] = ["A".padStart(26, "0"), "B".padStart(26, "0")] as const;

test("it is done when no segment, no record of the log and no replaced file holds the traces", async () => {
  const { redactions, catalog, state, rewrite, advance } = await setUp([
    segment(OLD_A),
    segment(OLD_B),
  ]);
  const { redaction } = await redactions.apply(REQUEST, signal);
  const now = () => redactions.get(TENANT, redaction!.id)!;
  await redactions.tick();
  expect([now().state, now().segmentsLeft, state.rolls]).toEqual(["hiding", 2, 0]);
  await rewrite(OLD_A, segment("A2"), 3);
  await redactions.tick();
  expect([now().segmentsLeft, now().removedSpans]).toEqual([1, 3]);
  // Retention counts as well.
  await catalog.commit({ remove: [OLD_B] });
  await redactions.tick();
  expect([now().state, now().segmentsLeft, state.rolls, state.released]).toEqual([
    ...["hiding", 0, 1],
    [100],
  ]);
  await redactions.tick();
  expect([now().state, state.rolls]).toEqual(["hiding", 1]);
  state.oldestLsn = 100;
  advance(5000);
  await redactions.tick();
  // A catalog that were rebuilt now would take B again, since nothing says that it was replaced.
  expect(now()).toMatchObject({
    ...{ state: "hiding", segmentsLeft: 0, filesLeft: 2, filesDeletedByUnixMs: 1_075_000 },
  });
  expect(catalog.redactions()[0]!.traceIds).toHaveLength(2);
  await catalog.forget([OLD_A, OLD_B]);
  await redactions.tick();
  expect(now()).toMatchObject({
    ...{ state: "done", doneUnixMs: 1_005_000, removedSpans: 3, traceCount: 2, filesLeft: 0 },
  });
  expect(catalog.redactions()[0]!.traceIds).toEqual([]);
  expect(catalog.segment("A2")?.hiddenTraces).toBeUndefined();
});

test("spans that come while it is hiding have to go, too", async () => {
  const { redactions, catalog, state, rewrite } = await setUp([segment("A")]);
  const { redaction } = await redactions.apply(REQUEST, signal);
  const now = () => redactions.get(TENANT, redaction!.id)!;
  await rewrite("A", segment("A2"), 1);
  state.oldestLsn = 100;
  // In the head till the cut that is made before it could be done.
  state.onCut = async () => {
    state.onCut = async () => {};
    await catalog.commit({ add: [segment("L0", { level: 0 })], cutTo: 150 });
  };
  await redactions.tick();
  expect([now().state, now().segmentsLeft]).toEqual(["hiding", 1]);
  await rewrite("L0", segment("L1"), 1);
  await redactions.tick();
  // The log of before is gone, the later records are not.
  expect([now().state, now().segmentsLeft]).toEqual(["hiding", 0]);
  state.oldestLsn = 150;
  await catalog.forget(["A", "L0"]);
  await redactions.tick();
  expect([now().state, now().removedSpans]).toEqual(["done", 2]);
});

test("it goes on after a restart from what the catalog has", async () => {
  const { redactions, catalog, state, rewrite, parts, settings } = await setUp([segment("A")]);
  const { redaction } = await redactions.apply(REQUEST, signal);
  await rewrite("A", segment("A2"), 4);
  await redactions.close();
  expect(catalog.redactions()[0]).toMatchObject({ state: "hiding", removedSpans: 4 });
  const second = new Redactions(parts, settings);
  state.oldestLsn = 100;
  await catalog.forget(["A"]);
  await second.tick();
  expect(second.get(TENANT, redaction!.id)).toMatchObject({ state: "done", removedSpans: 4 });
});

test("counts are saved now and then, each once", async () => {
  const { redactions, catalog, rewrite, advance } = await setUp([segment("A"), segment("B")]);
  await redactions.apply(REQUEST, signal);
  await rewrite("A", segment("A2"), 4);
  await redactions.tick();
  expect(catalog.redactions()[0]!.removedSpans).toBe(0);
  advance(60_000);
  await redactions.tick();
  await redactions.tick();
  expect(catalog.redactions()[0]!.removedSpans).toBe(4);
  expect(redactions.list(TENANT)[0]!.removedSpans).toBe(4);
});

test("nothing is applied that is too much, that finds nothing, or whose head cannot be cut", async () => {
  const { redactions, catalog, state } = await setUp([segment("A")]);
  state.failCut = true;
  await expect(redactions.apply(REQUEST, signal)).rejects.toThrow("disk full");
  state.failCut = false;
  state.found = { ...state.found, more: true };
  await expect(redactions.apply(REQUEST, signal)).rejects.toThrow(
    `more than ${MAX_REDACTED_TRACES} traces match`,
  );
  await expect(redactions.preview(REQUEST, signal)).rejects.toMatchObject({ kind: "invalid" });
  state.found = { traceIds: new Set(), spanCount: 0, more: false };
  expect((await redactions.apply(REQUEST, signal)).redaction).toBeUndefined();
  expect(catalog.redactions()).toEqual([]);
  for (let n = 0; n < MAX_HIDDEN_TRACES / MAX_REDACTED_TRACES; n++) {
    const ids = Array.from({ length: MAX_REDACTED_TRACES }, (_, i) => idOf(n * 1e6 + i));
    state.found = { traceIds: new Set(ids), spanCount: 1, more: false };
    await redactions.apply(REQUEST, signal);
  }
  state.found = { traceIds: new Set([idOf(5e8)]), spanCount: 1, more: false };
  await expect(redactions.apply(REQUEST, signal)).rejects.toMatchObject({ kind: "limited" });
});

test("one is applied at a time, and one that was given up hides nothing", async () => {
  const { redactions, catalog, state } = await setUp([segment("A")]);
  const client = new AbortController();
  const gate = Promise.withResolvers<void>();
  state.onCut = () => gate.promise;
  const first = redactions.apply(REQUEST, client.signal);
  await expect(redactions.apply(REQUEST, signal)).rejects.toMatchObject({ kind: "limited" });
  client.abort();
  gate.resolve();
  await expect(first).rejects.toMatchObject({ kind: "canceled" });
  expect(catalog.redactions()).toEqual([]);
});

test("it is not done sooner when the clock was set back", async () => {
  const { redactions, catalog, state, rewrite, advance } = await setUp([segment("Z".repeat(26))]);
  const { redaction } = await redactions.apply(REQUEST, signal);
  await rewrite("Z".repeat(26), segment(OLD_B), 1);
  state.oldestLsn = 100;
  advance(-3_600_000);
  await redactions.tick();
  const now = () => redactions.get(TENANT, redaction!.id)!;
  expect([now().state, now().filesLeft]).toEqual(["hiding", 1]);
  await catalog.forget(["Z".repeat(26)]);
  await redactions.tick();
  expect([now().state, now().filesLeft]).toEqual(["done", 0]);
});

test("files that were replaced are counted until they are deleted", async () => {
  const [a, b] = [OLD_A, OLD_B];
  const [c, d] = ["C".padStart(26, "0"), "D".padStart(26, "0")];
  const { redactions, catalog, state, rewrite } = await setUp([segment(a), segment(b)]);
  const { redaction } = await redactions.apply(REQUEST, signal);
  await rewrite(a, segment(c), 1);
  await rewrite(b, segment(d), 1);
  state.oldestLsn = 100;
  await redactions.tick();
  const now = () => redactions.get(TENANT, redaction!.id)!;
  expect([now().state, now().filesLeft]).toEqual(["hiding", 2]);
  // What was made later is no matter of its.
  await catalog.commit({ add: [segment("7Z".padEnd(26, "0"))] });
  await catalog.commit({ remove: ["7Z".padEnd(26, "0")] });
  await catalog.forget([a]);
  await redactions.tick();
  expect([now().state, now().filesLeft]).toEqual(["hiding", 1]);
  await catalog.forget([b]);
  await redactions.tick();
  expect([now().state, now().filesLeft]).toEqual(["done", 0]);
});
