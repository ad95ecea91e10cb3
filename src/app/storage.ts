import type { Settings } from "../config/settings.ts";
import type { ScratchDatabase } from "../drivers/duckdb/database.ts";
import { QueryFolders } from "../drivers/duckdb/isolated/query-folders.ts";
import { openDatabase } from "../drivers/duckdb/node-database.ts";
import { type Files, joinPath } from "../drivers/files/files.ts";
import { availableCores } from "../runtime/process-stats.ts";
import { spawnWorker } from "../runtime/worker.ts";
import type { Catalog } from "../storage/catalog/catalog.ts";
import { openCatalog } from "../storage/catalog/duckdb-catalog.ts";
import { rebuildCatalog } from "../storage/catalog/rebuild.ts";
import { reconcile } from "../storage/reconcile.ts";
import { SegmentCache } from "../storage/segment-cache/segment-cache.ts";
import type { CountingJob, CountingOutcome } from "../storage/segments/count/counting-job.ts";
import { CountingThreads, type ValueCounter } from "../storage/segments/count/counting-threads.ts";
import { readSegmentMeta } from "../storage/segments/segment-footer.ts";
import type { BucketSettings } from "../storage/settings.ts";
import { walExtent } from "../storage/wal/wal-extent.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";
import { Bucket } from "./bucket.ts";
import { segmentCacheMetrics } from "./bucket-metrics.ts";

export type Storage = {
  readonly catalog: Catalog;
  /** Where segments rest besides the local disk. */
  readonly bucket: Bucket | undefined;
  /** Its segments as local files. */
  readonly segmentCache: SegmentCache | undefined;
  /** The instance that queries run in. */
  readonly queries: ScratchDatabase;
  /** Threads that count values for queries. */
  readonly valueCounter: ValueCounter;
  /** For what ad-hoc SQL spills. */
  readonly sqlFolders: QueryFolders;
  close(): Promise<void>;
};

export type StorageParts = {
  readonly files: Files;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly metrics: MetricRegistry;
};

/** Each may take some 100 MiB while it works. */
const MAX_COUNTING_THREADS = 4;
const CATALOG_MEMORY_BYTES = 64 * 1024 * 1024;

/**
 * Locks the data folder, opens (or rebuilds) the catalog, makes it agree with the files, and opens
 * the query database. Throws `unavailable` when another process holds the folder, or when there is no
 * catalog and the bucket, which is needed to make one, is away; `invalid` when the bucket is another's.
 */
export async function openStorage(parts: StorageParts, settings: Settings): Promise<Storage> {
  const { files, log } = parts;
  const { dataDir, query } = settings;
  const { segmentDir } = settings.ingest;
  await files.mkdir(dataDir);
  await files.mkdir(segmentDir);
  const lock = await files.lock(joinPath(dataDir, "lock"));
  const closers: (() => Promise<void>)[] = [() => lock.release()];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const bucket = settings.bucket && (await openBucket(parts, settings, settings.bucket));
    if (bucket !== undefined) closers.push(() => bucket.close());
    const catalog = await openOrRebuild(parts, settings, bucket);
    closers.push(async () => catalog[Symbol.asyncDispose]());
    const changes = await reconcile({
      files,
      segmentDir,
      readMeta: readSegmentMeta,
      catalog,
      walRange: await walExtent(files, settings.ingest.walDir),
      findObject: bucket && ((segment) => bucket.findObject(segment)),
      log,
    });
    if (Object.values(changes).some((count) => count > 0)) log.warn("segments reconciled", changes);
    const segmentCache = bucket && (await openSegmentCache(parts, settings, bucket, catalog));
    const sqlFolders = sqlFoldersOf(query.tempDir, log);
    await sqlFolders.removeLeft();
    const queries = await openDatabase({
      memoryLimitBytes: query.memoryLimitBytes,
      tempDir: query.tempDir,
      threads: availableCores(),
      maxConcurrent: query.maxConcurrentQueries,
    });
    closers.push(async () => queries[Symbol.asyncDispose]());
    const valueCounter = new CountingThreads(
      () =>
        spawnWorker<CountingOutcome, CountingJob>(
          new URL("../threads/counting-thread.ts", import.meta.url),
          { name: "counting" },
        ),
      Math.min(availableCores(), MAX_COUNTING_THREADS),
    );
    closers.push(() => valueCounter.close());
    return { catalog, bucket, segmentCache, queries, valueCounter, sqlFolders, close };
  } catch (e) {
    await close();
    throw e;
  }
}

function sqlFoldersOf(tempDir: string, log: Logger): QueryFolders {
  const onLeft = (folder: string, error: unknown): void => {
    log.warn("folder of an SQL query not removed, the next start will try again", {
      folder,
      error,
    });
  };
  return new QueryFolders({ onLeft }, tempDir);
}

function openBucket(
  { files, log, metrics }: StorageParts,
  { dataDir, ingest }: Settings,
  bucket: BucketSettings,
): Promise<Bucket> {
  const { segmentDir, walDir } = ingest;
  return Bucket.open({ files, log, metrics }, bucket, { dataDir, segmentDir, walDir });
}

async function openSegmentCache(
  { files, log, metrics: registry }: StorageParts,
  { dataDir, ingest }: Settings,
  bucket: Bucket,
  catalog: Catalog,
): Promise<SegmentCache> {
  const { metrics, watch } = segmentCacheMetrics(registry);
  const all = catalog.tenants().flatMap((tenant) => catalog.segments(tenant));
  const cache = await SegmentCache.open(
    { files, store: bucket.store, log, metrics },
    {
      segmentDir: ingest.segmentDir,
      cacheDir: joinPath(dataDir, "cache"),
      cacheBytes: bucket.settings.cacheBytes,
    },
    all.filter(({ object }) => object !== undefined),
  );
  watch(() => cache.bytes);
  return cache;
}

/** The catalog of the data folder; the bucket is ours or, for now, away when this resolves. */
async function openOrRebuild(
  { files, log, nowMs }: StorageParts,
  { dataDir, query, ingest }: Settings,
  bucket: Bucket | undefined,
): Promise<Catalog> {
  const { segmentDir, walDir } = ingest;
  let rebuilt = false;
  const catalog = await openCatalog({
    files,
    dataDir,
    openDatabase: (path) =>
      openDatabase({
        path,
        memoryLimitBytes: CATALOG_MEMORY_BYTES,
        tempDir: query.tempDir,
        threads: 1,
        maxConcurrent: 1,
      }),
    async rebuild(hint) {
      rebuilt = true;
      await bucket?.takeForRebuild();
      return rebuildCatalog(
        {
          files,
          segmentDir,
          readMeta: readSegmentMeta,
          walRange: await walExtent(files, walDir),
          onQuarantined: (path, reason) => log.error("segment put aside", { path, reason }),
          bucket: bucket && {
            store: bucket.store,
            signal: bucket.signal,
            readRedactions: () => bucket.redactions.read(),
            onBadObject: (key, reason) => {
              const object = `${bucket.store.location}${key}`;
              log.error("object in the bucket is no segment: left alone", { object, reason });
            },
          },
        },
        hint,
      );
    },
    nowMs,
    onRebuilt: ({ reason, movedTo, cause, segments }) => {
      if (segments > 0 || reason === "broken") {
        log.warn("catalog rebuilt from the segments", {
          reason,
          movedTo,
          segments,
          bucket: bucket?.store.location,
          error: cause,
        });
      }
    },
  });
  try {
    if (!rebuilt) await bucket?.checkOwner();
    return catalog;
  } catch (e) {
    await catalog[Symbol.asyncDispose]();
    throw e;
  }
}
