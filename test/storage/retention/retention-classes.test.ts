import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { PintailError } from "../../../src/errors.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { CompactionWorker } from "../../../src/storage/compaction/compaction-worker.ts";
import { Compactor } from "../../../src/storage/compaction/compactor.ts";
import { Retention } from "../../../src/storage/retention/retention.ts";
import { SegmentWriter, segmentPath } from "../../../src/storage/segments/segment-writer.ts";
import type { RetentionClass } from "../../../src/storage/settings.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { appendSegments } from "../../../src/threads/append-segments.ts";
import { newBatchDecoder } from "../../../src/threads/decoders.ts";
import { ulidSource } from "../../../src/util/ulid.ts";
import { aSpan, batchOf, spanIdOf, traceIdOf } from "../../support/batch-builder.ts";
import { MemoryCatalog } from "../../support/memory-catalog.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { readBatch } from "../../support/read-batch.ts";
import { temporaryFolder } from "../wal/wal-support.ts";

const START_MS = 1_767_225_600_000;
const HOUR_MS = 3_600_000;
const CLASSES: readonly RetentionClass[] = [
  { name: "errors", query: "{ status = error }", retentionMs: 10 * HOUR_MS },
  { name: "slow", query: "{ duration > 1s }", retentionMs: 0 },
];

/** Names of a span: which classes its trace matches. */
type Kind = "plain" | "error" | "slow" | "both";
const MATCHES: Readonly<Record<string, readonly Kind[]>> = {
  "{ status = error }": ["error", "both"],
  "{ duration > 1s }": ["slow", "both"],
};

function setUp(baseMs = HOUR_MS, maxBytesPerTenant = 0) {
  const dir = temporaryFolder();
  const files = nodeFiles();
  const clock = { nowMs: START_MS };
  const catalog = new MemoryCatalog(() => clock.nowMs);
  const newId = ulidSource(() => clock.nowMs);
  const writer = new SegmentWriter({ files, segmentDir: dir, newId, nowMs: () => clock.nowMs });
  const worker = new CompactionWorker({
    newDecoder: newBatchDecoder,
    newSeed: () => 7,
    segments: writer,
    readWal: async function* () {},
    bodyOf: ({ body }) => body,
    appendSegments: (inputs, batch, options) =>
      appendSegments({ tempDir: dir }, inputs, batch, options),
    cpuMs: () => 0,
    maxSegmentSpans: 100_000,
  });
  /** Trace id → what matches it. */
  const kinds = new Map<string, Kind>();
  const faults = { query: false, commit: 0, job: false };
  const failures: unknown[] = [];
  const commit = catalog.commit.bind(catalog);
  catalog.commit = async (change) => {
    if (faults.commit === 1) throw new PintailError("unavailable", "disk full");
    await commit(change);
    if (faults.commit === 2) throw new PintailError("unavailable", "the answer was lost");
  };
  const compactor = new Compactor(
    {
      catalog,
      run: (job) =>
        faults.job
          ? Promise.reject(new PintailError("unavailable", "the thread is gone"))
          : worker.run({ ...job, id: 1 } as Parameters<typeof worker.run>[0]),
      pinInputs: async (inputs) => ({
        pathOf: (id) => segmentPath(dir, inputs.find((s) => s.id === id)!),
        [Symbol.dispose]() {},
      }),
      onDamaged: async () => false,
      voids: () => [],
      releaseWal: async () => {},
      removeFiles: (made) => writer.remove(made),
      maxAttributeBytesOf: () => 0,
      compactionDisabled: () => false,
      usedKeys: () => [],
      onChecked: () => {},
      log: silentLogger,
      nowMs: () => clock.nowMs,
      monotonicMs: () => clock.nowMs,
      metrics: { compacted: () => {}, failed: () => {}, setAside: () => {} },
    },
    {
      l1Spans: 100_000,
      l1WalBytes: 1e9,
      l1AfterMs: 1e9,
      l1Segments: 1000,
      merge: { maxSpans: 100_000, minInputs: 3, maxInputs: 8, windowNanos: 3_600_000_000_000n },
      mergeDisabled: false,
    },
  );
  const queries: string[] = [];
  const retention = new Retention(
    {
      catalog,
      changes: compactor,
      segments: writer,
      policyOf: () => ({ retentionMs: baseMs, classes: CLASSES, frozen: false }),
      // As a query would: of all traces, also those of other segments.
      matchTraces: async (_tenant, query) => {
        queries.push(query);
        if (faults.query) throw new PintailError("timeout", "the query took too long");
        return [...kinds].filter(([, kind]) => MATCHES[query]?.includes(kind)).map(([id]) => id);
      },
      excessDiskBytes: async () => 0,
      log: silentLogger,
      nowMs: () => clock.nowMs,
      metrics: { dropped: () => {}, deleted: () => {}, failed: () => failures.push(1) },
    },
    { deleteGraceMs: 60_000, disabled: false, maxBytesPerTenant },
  );
  let serial = 0;
  /** A segment whose spans ended `agoMs` before the start; returns its spans' ids by kind. */
  const add = async (agoMs: number, counts: readonly Kind[]): Promise<SegmentMeta> => {
    const at = BigInt(START_MS - agoMs) * 1_000_000n;
    const spans = counts.map((kind) => {
      serial++;
      const traceId = traceIdOf(BigInt(serial));
      kinds.set(traceId, kind);
      return aSpan({
        traceId,
        spanId: spanIdOf(serial),
        name: kind,
        startUnixNano: at - 1000n,
        endUnixNano: at,
      });
    });
    const meta = await writer.write(batchOf(spans), {
      tenant: "t",
      level: 1,
      walRange: undefined,
      replaces: [],
    });
    await commit({ add: [meta] });
    return meta;
  };
  /** Class and name of each span in the catalog. */
  const held = async (): Promise<string[]> => {
    const all: string[] = [];
    for (const meta of catalog.segments("t")) {
      const batch = new SpanBatch(1);
      await appendSegments({ tempDir: dir }, [{ meta, path: segmentPath(dir, meta) }], batch);
      for (const { spanId, name } of readBatch(batch)) {
        all.push(`${meta.retentionClass ?? "-"} ${name} ${spanId}`);
      }
    }
    return all.sort();
  };
  const filesIn = async () => (await files.list(`${dir}/t`)).length;
  return { add, catalog, clock, compactor, failures, faults, filesIn, held, queries, retention };
}

const namesOf = (held: readonly string[]) =>
  held.map((line) => line.split(" ").slice(0, 2).join(" "));

test("traces of a class outlive the segment that they were in, by the first class that they match", async () => {
  const { add, clock, held, retention } = setUp();
  await add(2 * HOUR_MS, ["plain", "error", "slow", "both", "plain"]);
  await add(0, ["plain", "error"]);
  await retention.run();
  expect(namesOf(await held())).toEqual([
    "- error",
    "- plain",
    "errors both",
    "errors error",
    "slow slow",
  ]);
  clock.nowMs += 20 * HOUR_MS;
  await retention.run();
  // The young segment was past the class's time too when its own had come.
  expect(namesOf(await held())).toEqual(["slow slow"]);
});

test.each([
  ["a query that fails", (f: { query: boolean }) => Object.assign(f, { query: true })],
  ["a job that fails", (f: { job: boolean }) => Object.assign(f, { job: true })],
])("%s deletes nothing, and what it was for happens later", async (_, breaks) => {
  const { add, failures, faults, filesIn, held, retention } = setUp();
  await add(2 * HOUR_MS, ["plain", "error"]);
  breaks(faults);
  await retention.run();
  expect(failures).toHaveLength(1);
  expect(namesOf(await held())).toEqual(["- error", "- plain"]);
  expect(await filesIn()).toBe(1);
  Object.assign(faults, { query: false, job: false });
  await retention.run();
  expect(namesOf(await held())).toEqual(["errors error"]);
});

test.each([1, 2])("a commit that fails (%d) leaves either state, and is repeated", async (how) => {
  const { add, clock, compactor, faults, held, retention } = setUp();
  await add(2 * HOUR_MS, ["plain", "error", "slow"]);
  faults.commit = how;
  await retention.run();
  const before = namesOf(await held());
  expect([
    ["- error", "- plain", "- slow"],
    ["errors error", "slow slow"],
  ]).toContainEqual(before);
  // Nothing else is decided while that is open.
  await retention.run();
  expect(namesOf(await held())).toEqual(before);
  faults.commit = 0;
  clock.nowMs += 10_000;
  compactor.tick();
  await expect.poll(async () => namesOf(await held())).toEqual(["errors error", "slow slow"]);
  await retention.run();
  expect(namesOf(await held())).toEqual(["errors error", "slow slow"]);
});

test("beyond a tenant's bytes the oldest go first, those of classes last", async () => {
  const { add, catalog, retention } = setUp(0, 1);
  await add(3 * HOUR_MS, ["plain"]);
  await add(HOUR_MS, ["plain", "plain"]);
  await retention.run();
  expect(catalog.segments("t")).toEqual([]);
});

test("at any time a ledger of spans is exact: nothing too early, nothing twice, nothing too late", async () => {
  const seed = testSeed(20);
  const random = seededRandom(seed);
  const { add, clock, compactor, faults, held, retention } = setUp();
  const kinds: readonly Kind[] = ["plain", "plain", "plain", "error", "slow", "both"];
  const ledger: { kind: Kind; endMs: number }[] = [];
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  for (let step = 0; step < 25; step++) {
    const now = clock.nowMs - START_MS;
    const some = Array.from({ length: 1 + Math.floor(random() * 12) }, () => pick(kinds));
    await add(-now, some);
    ledger.push(...some.map((kind) => ({ kind, endMs: clock.nowMs })));
    clock.nowMs += Math.floor(random() * HOUR_MS);
    faults.query = random() < 0.2;
    await retention.run();
    Object.assign(faults, { query: false });
    compactor.tick();
    await compactor.exclusive(async () => {});
    const lines = await held();
    expect(new Set(lines.map((line) => line.split(" ")[2])).size, `seed ${seed}`).toBe(
      lines.length,
    );
    const early = ledger.filter(({ endMs }) => clock.nowMs - endMs <= HOUR_MS).length;
    expect(lines.length, `seed ${seed}`).toBeGreaterThanOrEqual(early);
  }
  clock.nowMs += 2 * HOUR_MS;
  await retention.run();
  const names = namesOf(await held());
  const isYoung = ({ endMs }: { endMs: number }) => clock.nowMs - endMs <= 10 * HOUR_MS;
  const errors = ledger.filter((s) => s.kind === "error" || s.kind === "both");
  expect(names.filter((n) => n === "slow slow").length).toBe(
    ledger.filter(({ kind }) => kind === "slow").length,
  );
  // A segment, also a merged one, goes with its latest span.
  const kept = names.filter((n) => n.startsWith("errors ")).length;
  expect(kept, `seed ${seed}`).toBeGreaterThanOrEqual(errors.filter(isYoung).length);
  expect(
    names.filter((n) => n.includes("plain")),
    `seed ${seed}`,
  ).toEqual([]);
}, 120_000);
