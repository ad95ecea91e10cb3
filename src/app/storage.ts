import type { Settings } from "../config/settings.ts";
import type { ScratchDatabase } from "../drivers/duckdb/database.ts";
import { openDatabase } from "../drivers/duckdb/node-database.ts";
import { type Files, joinPath } from "../drivers/files/files.ts";
import { availableCores } from "../runtime/process-stats.ts";
import type { Catalog } from "../storage/catalog/catalog.ts";
import { openCatalog } from "../storage/catalog/duckdb-catalog.ts";
import { rebuildCatalog } from "../storage/catalog/rebuild.ts";
import { reconcile } from "../storage/reconcile.ts";
import { readSegmentMeta } from "../storage/segments/segment-footer.ts";
import { walExtent } from "../storage/wal/wal-extent.ts";
import type { Logger } from "../telemetry/logger.ts";

export type Storage = {
  readonly catalog: Catalog;
  /** The instance that queries run in. */
  readonly queries: ScratchDatabase;
  close(): Promise<void>;
};

export type StorageParts = {
  readonly files: Files;
  readonly log: Logger;
  readonly nowMs: () => number;
};

const CATALOG_MEMORY_BYTES = 128 * 1024 * 1024;

/**
 * Locks the data folder, opens (or rebuilds) the catalog, makes it agree with the files, and opens
 * the query database. Throws `unavailable` when another process holds the folder.
 */
export async function openStorage(parts: StorageParts, settings: Settings): Promise<Storage> {
  const { files, log, nowMs } = parts;
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
      rebuild: async (hint) =>
        rebuildCatalog(
          {
            files,
            segmentDir,
            readMeta: readSegmentMeta,
            walRange: await walExtent(files, settings.ingest.walDir),
            onQuarantined: (path, reason) => log.error("segment put aside", { path, reason }),
          },
          hint,
        ),
      nowMs,
      onRebuilt: ({ reason, movedTo, cause, segments }) => {
        if (segments > 0 || reason === "broken") {
          log.warn("catalog rebuilt from the segments", {
            reason,
            movedTo,
            segments,
            error: cause,
          });
        }
      },
    });
    closers.push(async () => catalog[Symbol.asyncDispose]());
    const changes = await reconcile({
      files,
      segmentDir,
      readMeta: readSegmentMeta,
      catalog,
      walRange: await walExtent(files, settings.ingest.walDir),
      log,
    });
    if (Object.values(changes).some((count) => count > 0)) log.warn("segments reconciled", changes);
    const queries = await openDatabase({
      memoryLimitBytes: query.memoryLimitBytes,
      tempDir: query.tempDir,
      threads: availableCores(),
      maxConcurrent: query.maxConcurrentQueries,
    });
    closers.push(async () => queries[Symbol.asyncDispose]());
    return { catalog, queries, close };
  } catch (e) {
    await close();
    throw e;
  }
}
