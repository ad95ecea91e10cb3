import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import type { WritableDatabase } from "../../src/drivers/duckdb/database.ts";
import { Cutter } from "../../src/ingest/cutter.ts";
import { decompressBody } from "../../src/ingest/decompress.ts";
import { BodyEncoding, BodyFormat } from "../../src/ingest/ingest.ts";
import { IngestChannel } from "../../src/ingest/ingest-channel.ts";
import { IngestService } from "../../src/ingest/ingest-service.ts";
import { IngestWorker } from "../../src/ingest/ingest-worker.ts";
import type { FromIngestWorker } from "../../src/ingest/messages.ts";
import { SpanBatch } from "../../src/model/span-batch.ts";
import type { WalRange } from "../../src/schema/segment-meta.ts";
import { CompactionWorker } from "../../src/storage/compaction/compaction-worker.ts";
import { Compactor } from "../../src/storage/compaction/compactor.ts";
import { reconcile } from "../../src/storage/reconcile.ts";
import { readSegmentMeta } from "../../src/storage/segments/segment-footer.ts";
import { SegmentWriter, segmentPath } from "../../src/storage/segments/segment-writer.ts";
import { scanWalRange } from "../../src/storage/wal/read-range.ts";
import { walExtent } from "../../src/storage/wal/wal-extent.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { appendSegments } from "../../src/threads/append-segments.ts";
import { newBatchDecoder } from "../../src/threads/decoders.ts";
import { ulidSource } from "../../src/util/ulid.ts";
import { catalogParts, openTestCatalog } from "../storage/catalog/catalog-support.ts";
import { openWal, temporaryFolder } from "../storage/wal/wal-support.ts";
import { faultyFiles } from "../support/faulty-files.ts";
import { aRequest, aSpan, encodeRequest, hex } from "../support/otlp-builder.ts";
import { readBatch } from "../support/read-batch.ts";

/** How the catalog's database fails on a full disk: with nothing written, or only in its answer. */
export type FullCatalog = "no" | "unwritten" | "written";

const NO_METRICS = { pushed() {}, accepted() {}, refused() {} };
const LIMITS = {
  rateLimitBytes: 1e9,
  burstSizeBytes: 1e9,
  maxAttributeBytes: 0,
  retryInfoEnabled: true,
};

/** What lies between a push and a committed segment, in one thread, each part on a disk of its own. */
export async function openDiskBench(dir = temporaryFolder()) {
  const [walDir, segmentDir, catalogDir] = ["wal", "segments", "catalog"].map((n) => join(dir, n));
  if (!walDir || !segmentDir || !catalogDir) throw new Error("no folders");
  const [walFiles, segmentFiles] = [faultyFiles(), faultyFiles()];
  await segmentFiles.mkdir(segmentDir);
  const full: { catalog: FullCatalog } = { catalog: "no" };
  const clock = { ms: 0 };
  const nowMs = () => 1_700_000_000_000 + clock.ms;
  const catalog = await openTestCatalog(catalogDir, {
    openDatabase: async (path) =>
      withFaults(await catalogParts(catalogDir).openDatabase(path), full),
  });
  const reconciled = await reconcile({
    files: segmentFiles,
    segmentDir,
    readMeta: readSegmentMeta,
    catalog,
    walRange: await walExtent(walFiles, walDir),
    log: silentLogger,
  });
  const { cutTo, releasedTo } = catalog.walPositions();
  const wal = await openWal(walDir, {
    files: walFiles,
    recoverFrom: releasedTo,
    startAtLeast: cutTo,
  });
  const newId = ulidSource(Date.now);
  const segments = new SegmentWriter({ files: segmentFiles, segmentDir, newId, nowMs });
  let reply = (_: FromIngestWorker): void => {};
  const ingestWorker = new IngestWorker({
    newDecoder: newBatchDecoder,
    newSeed: () => 7,
    nowMs,
    segments,
    send: (message) => reply(message),
  });
  const channel = new IngestChannel({
    post: (message) => void ingestWorker.receive(message),
    onMessage: (listener) => {
      reply = listener;
    },
    onExit: () => {},
  });
  const cutter = new Cutter(
    {
      cut: (range) => channel.cut(range),
      catalog,
      freeBytes: () => segmentFiles.freeBytes(segmentDir),
      log: silentLogger,
      monotonicMs: () => clock.ms,
      // Cuts come when they are asked for.
      after: () => () => {},
    },
    { cutAfterMs: 1000, cutAfterBytes: 1e9, minCutIntervalMs: 0 },
  );
  const service = new IngestService(
    {
      ...{ wal, channel, cutter, limitsFor: () => LIMITS, metrics: NO_METRICS, nowMs },
      monotonicMs: () => clock.ms,
    },
    { retryAfterMs: 500, maxPendingBytes: 1e9, maxHeldBytes: 1e9 },
  );
  const compactionWorker = new CompactionWorker({
    newDecoder: newBatchDecoder,
    newSeed: () => 5,
    segments,
    readWal: async function* (range: WalRange) {
      for await (const item of scanWalRange(walFiles, walDir, range)) {
        if (item.type === "entry") yield item.record;
      }
    },
    bodyOf: ({ body, encoding, maxDecodedBytes }) =>
      decompressBody(body, encoding as BodyEncoding, maxDecodedBytes),
    appendSegments: (inputs, batch, options) =>
      appendSegments({ tempDir: dir }, inputs, batch, options),
    cpuMs: () => 0,
    maxSegmentSpans: 10_000,
  });
  const failures = { count: 0 };
  const compactor = new Compactor(
    {
      catalog,
      run: (job) => compactionWorker.run({ ...job, id: 1 }),
      pinInputs: async (inputs) => {
        const paths = new Map(inputs.map((one) => [one.id, segmentPath(segmentDir, one)]));
        return { pathOf: (id) => paths.get(id) ?? "", [Symbol.dispose]() {} };
      },
      voids: (range) => wal.voided(range),
      releaseWal: (before) => wal.release(before),
      removeFiles: (made) => segments.remove(made),
      maxAttributeBytesOf: () => 0,
      compactionDisabled: () => false,
      usedKeys: () => [],
      onChecked: () => {},
      onDamaged: async () => false,
      log: silentLogger,
      nowMs,
      monotonicMs: () => clock.ms,
      metrics: { compacted() {}, setAside() {}, failed: () => void failures.count++ },
    },
    {
      ...{ l1Spans: 10_000, l1WalBytes: 1e9, l1AfterMs: 60_000, l1Segments: 1000 },
      merge: { maxSpans: 10_000, minInputs: 3, maxInputs: 8, windowNanos: 3_600_000_000_000n },
      mergeDisabled: false,
    },
  );
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await compactor.close();
    await wal.close().catch(() => {});
    await catalog[Symbol.asyncDispose]();
  };
  onTestFinished(close);
  const metas = () => catalog.tenants().flatMap((tenant) => catalog.segments(tenant));
  return {
    ...{ dir, walFiles, segmentFiles, full, clock, catalog, reconciled, cutter, wal, failures },
    close,
    /** Ids of its spans; resolves when they are acknowledged. */
    push: async (tenant: string, ids: readonly string[]): Promise<void> => {
      const spans = ids.map((id) => aSpan({ spanId: hex(id), name: `op ${id}` }));
      await service.push({
        tenant,
        format: BodyFormat.otlpProtobuf,
        encoding: BodyEncoding.identity,
        body: encodeRequest(aRequest(spans)),
        maxDecodedBytes: 1e6,
      });
    },
    cut: () => cutter.cutNow(),
    /** One job of the compactor, after `ms`. */
    compact: async (ms: number): Promise<void> => {
      clock.ms += ms;
      compactor.tick();
      await compactor.exclusive(async () => {}).catch(() => {});
    },
    levels: () => metas().map(({ level }) => level),
    /** Ids of all spans in the catalog's segments, sorted, each as often as it is there. */
    spans: async (): Promise<string[]> => {
      const batch = new SpanBatch(1);
      const inputs = metas().map((meta) => ({ meta, path: segmentPath(segmentDir, meta) }));
      await appendSegments({ tempDir: dir }, inputs, batch);
      const found = readBatch(batch);
      for (const { spanId, name } of found) expect(name).toBe(`op ${spanId}`);
      return found.map(({ spanId }) => spanId).sort();
    },
    /** Files that the catalog neither lists nor is about to delete. */
    orphans: (): string[] => {
      const known = [...metas(), ...catalog.deletable(Number.NEGATIVE_INFINITY)];
      const paths = new Set(known.map((one) => segmentPath(segmentDir, one)));
      return readdirSync(segmentDir, { recursive: true, encoding: "utf8" })
        .filter((name) => name.includes(".parquet"))
        .filter((name) => !paths.has(join(segmentDir, name)));
    },
  };
}

function withFaults(database: WritableDatabase, full: { catalog: FullCatalog }): WritableDatabase {
  return {
    rows: database.rows.bind(database),
    chunks: database.chunks.bind(database),
    async transaction(statements) {
      if (full.catalog !== "unwritten") await database.transaction(statements);
      if (full.catalog !== "no") throw new Error("IO Error: no space left on device");
    },
    releaseBuffers: database.releaseBuffers.bind(database),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
