import fs from "node:fs";
import path from "node:path";
import { onTestFinished } from "vitest";
import type { Files } from "../../../src/drivers/files/files.ts";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { LocalStore } from "../../../src/drivers/objects/local/local-store.ts";
import type { ObjectStore } from "../../../src/drivers/objects/object-store.ts";
import { PintailError } from "../../../src/errors.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { Backlog } from "../../../src/storage/bucket/backlog.ts";
import { BucketHealth } from "../../../src/storage/bucket/bucket-health.ts";
import { BucketOwner } from "../../../src/storage/bucket/bucket-owner.ts";
import type { SweepResult } from "../../../src/storage/bucket/metrics.ts";
import { segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { ObjectRemover } from "../../../src/storage/bucket/object-remover.ts";
import { RemovedObjects } from "../../../src/storage/bucket/removed-objects.ts";
import { Sweep } from "../../../src/storage/bucket/sweep.ts";
import { Uploader } from "../../../src/storage/bucket/uploader.ts";
import type { Catalog } from "../../../src/storage/catalog/catalog.ts";
import { SegmentWriter } from "../../../src/storage/segments/segment-writer.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { ulidSource } from "../../../src/util/ulid.ts";
import { observedParts } from "../../drivers/objects/open-stores.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../../support/batch-builder.ts";
import { MemoryCatalog } from "../../support/memory-catalog.ts";
import { temporaryFolder } from "../wal/wal-support.ts";

export const HOUR_MS = 3_600_000;
export const signal = new AbortController().signal;

export type BucketOptions = {
  readonly store?: ObjectStore;
  readonly catalog?: Catalog;
  readonly files?: Files;
  readonly dir?: string;
  readonly catalogId?: string;
  readonly hurryBytes?: number;
  /** Wraps the store. */
  readonly wrap?: (store: ObjectStore) => ObjectStore;
};

/** The parts of `storage/bucket` over real files and a store in a folder, with a clock to turn. */
export async function setUpBucket(options: BucketOptions = {}) {
  const dir = options.dir ?? temporaryFolder();
  const segmentDir = path.join(dir, "blocks");
  const files = options.files ?? nodeFiles();
  const clock = { wallMs: Date.now(), monotonicMs: 0 };
  const nowMs = () => clock.wallMs;
  const monotonicMs = () => clock.monotonicMs;
  const lines: string[] = [];
  const log = createLogger({ level: "debug", format: "logfmt" }, Date.now, (line) => {
    lines.push(line);
  });
  const { parts, requests } = observedParts();
  const local = () => LocalStore.open(nodeFiles(), parts, { path: path.join(dir, "bucket") });
  const plain = options.store ?? (await local());
  const store = options.wrap?.(plain) ?? plain;
  const catalog = options.catalog ?? new MemoryCatalog(nowMs);
  const counts = { uploaded: 0, failed: 0, deleted: 0, deleteFailed: 0, sweepFailed: 0 };
  const sweeps: SweepResult[] = [];
  const metrics = {
    uploaded: () => void counts.uploaded++,
    uploadFailed: () => void counts.failed++,
    deleted: (objects: number) => {
      counts.deleted += objects;
    },
    deleteFailed: () => void counts.deleteFailed++,
    swept: (result: SweepResult) => void sweeps.push(result),
    sweepFailed: () => void counts.sweepFailed++,
  };
  const health = new BucketHealth({
    location: store.location,
    log,
    monotonicMs,
    random: () => 0.5,
  });
  const closing = new AbortController();
  const owner = new BucketOwner({
    store,
    health,
    catalogId: options.catalogId ?? "ours",
    log,
    nowMs,
    monotonicMs,
    signal: closing.signal,
  });
  const isOwner = () => owner.check();
  const writer = new SegmentWriter({ files, segmentDir, newId: ulidSource(Date.now), nowMs });
  const forgotten: string[] = [];
  const removedPath = path.join(dir, "removed-objects.json");
  const removed = await RemovedObjects.open({ files, path: removedPath, log, nowMs });
  const remover = new ObjectRemover({
    catalog,
    store,
    health,
    isOwner,
    removeFile: (segment) => writer.remove([segment]),
    forgetCopies: async (id) => void forgotten.push(id),
    removed,
    metrics,
    signal: closing.signal,
  });
  const backlog = new Backlog(catalog);
  const stored: string[] = [];
  const uploader = new Uploader(
    {
      files,
      segmentDir,
      catalog,
      store,
      backlog,
      health,
      isOwner,
      remover,
      onStored: ({ id }) => void stored.push(id),
      log,
      nowMs,
      monotonicMs,
      metrics,
    },
    { largeSpans: 10, uploadAfterMs: HOUR_MS, hurryBytes: options.hurryBytes ?? 1e9 },
  );
  const sweep = new Sweep(
    { catalog, store, health, isOwner, remover, log, nowMs, metrics },
    { pageIntervalMs: 0, unknownAfterMs: 24 * HOUR_MS },
  );
  onTestFinished(async () => {
    closing.abort();
    await uploader.close();
    await sweep.close();
  });
  let serial = 0;

  /** A real segment of `spans` spans, written and committed. */
  async function add(spans: number, changes: Partial<SegmentMeta> = {}): Promise<SegmentMeta> {
    const service = aService("shop");
    const batch = batchOf(
      Array.from({ length: spans }, () => {
        serial++;
        return aSpan({
          traceId: traceIdOf(serial),
          spanId: spanIdOf(serial),
          resource: service,
        });
      }),
    );
    const { tenant = "acme", level = 1, replaces = [], ...rest } = changes;
    const identity = { tenant, level, walRange: undefined, replaces };
    const meta = { ...(await writer.write(batch, identity)), ...rest };
    await catalog.commit({ add: [meta], remove: replaces });
    return meta;
  }

  /** Ticks until nothing is due any more. */
  async function upload(): Promise<void> {
    for (let i = 0; i < 100; i++) {
      clock.monotonicMs += 60_000;
      uploader.tick();
      await uploader.idle();
      if (backlog.waiting((id) => uploader.isBad(id)).segments === 0) return;
    }
  }

  const bytesOf = async (segment: SegmentMeta) =>
    Buffer.from((await plain.get(segmentKey(segment), { maxBytes: 1e8, signal })).bytes);
  const fileOf = (segment: SegmentMeta) =>
    path.join(segmentDir, segment.tenant, `${segment.id}.parquet`);
  const isStored = async (segment: SegmentMeta) =>
    fs.readFileSync(fileOf(segment)).equals(await bytesOf(segment));
  return {
    dir,
    segmentDir,
    files,
    clock,
    lines,
    requests,
    plain,
    store,
    catalog,
    counts,
    sweeps,
    health,
    owner,
    remover,
    removed,
    removedPath,
    backlog,
    uploader,
    sweep,
    log,
    stored,
    forgotten,
    add,
    upload,
    fileOf,
    isStored,
  };
}

/** A store that can be switched off, as an unreachable bucket is. */
export function switchable(): {
  readonly state: {
    away: boolean;
    failKeys: Set<string>;
    afterPut?: (key: string) => Promise<void>;
  };
  readonly wrap: (store: ObjectStore) => ObjectStore;
} {
  const state: {
    away: boolean;
    failKeys: Set<string>;
    afterPut?: (key: string) => Promise<void>;
  } = { away: false, failKeys: new Set() };
  const check = (key: string) => {
    if (state.away) throw new PintailError("unavailable", "away", { retryAfterMs: 1000 });
    if (state.failKeys.has(key)) throw new PintailError("internal", "refused");
  };
  return {
    state,
    wrap: (store) => ({
      backend: store.backend,
      location: store.location,
      async put(key, body, options) {
        check(key);
        const result = await store.put(key, body, options);
        await state.afterPut?.(key);
        return result;
      },
      async get(key, options) {
        check(key);
        return store.get(key, options);
      },
      async getRanges(key, ranges, options) {
        check(key);
        return store.getRanges(key, ranges, options);
      },
      async head(key, options) {
        check(key);
        return store.head(key, options);
      },
      async delete(key, options) {
        check(key);
        return store.delete(key, options);
      },
      async list(options) {
        check("");
        return store.list(options);
      },
      async replace(key, bytes, options) {
        check(key);
        return store.replace(key, bytes, options);
      },
      close: () => store.close(),
    }),
  };
}
