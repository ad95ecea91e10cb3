import { join } from "node:path";
import type { Database } from "../../src/drivers/duckdb/database.ts";
import { openDatabase } from "../../src/drivers/duckdb/node-database.ts";
import { sqlList } from "../../src/drivers/duckdb/sql-literal.ts";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import type { SegmentSummary } from "../../src/schema/segment-meta.ts";
import type { Catalog } from "../../src/storage/catalog/catalog.ts";
import { openCatalog } from "../../src/storage/catalog/duckdb-catalog.ts";
import { segmentPath } from "../../src/storage/segments/segment-writer.ts";

export const TENANT = "single-tenant";
const CATALOG_MEMORY_BYTES = 64 * 1024 * 1024;
const QUERY_MEMORY_BYTES = 2 * 1024 * 1024 * 1024;

/** Where a server that was started with `ServerOptions.dir` keeps things. */
export function segmentDirOf(dir: string): string {
  return join(dir, "blocks");
}

/** The catalog of a folder whose server is not running. An empty one when there is none yet. */
export function openCatalogOf(dir: string): Promise<Catalog> {
  return openCatalog({
    files: nodeFiles(),
    dataDir: join(segmentDirOf(dir), "@pintail"),
    openDatabase: (path) =>
      openDatabase({
        path,
        memoryLimitBytes: CATALOG_MEMORY_BYTES,
        tempDir: join(dir, "tmp"),
        threads: 1,
        maxConcurrent: 1,
      }),
    rebuild: async () => ({
      segments: (async function* () {})(),
      removed: [],
      walPositions: { cutTo: 0, releasedTo: 0 },
    }),
    nowMs: Date.now,
  });
}

/** Runs `work` with DuckDB and the SQL text that stands for all rows of `segments`. */
export async function withStoredSpans<T>(
  dir: string,
  segments: readonly SegmentSummary[],
  work: (database: Database, spans: string) => Promise<T>,
): Promise<T> {
  const database = await openDatabase({
    memoryLimitBytes: QUERY_MEMORY_BYTES,
    tempDir: join(dir, "tmp"),
    threads: 2,
    maxConcurrent: 1,
  });
  try {
    const paths = segments.map((meta) => segmentPath(segmentDirOf(dir), meta));
    return await work(database, `read_parquet(${sqlList(paths)}, union_by_name = true)`);
  } finally {
    await database[Symbol.asyncDispose]();
  }
}

/** What the catalog's files hold, counted by DuckDB. */
export async function countStored(dir: string): Promise<{ spans: number; traces: number }> {
  const catalog = await openCatalogOf(dir);
  let segments: readonly SegmentSummary[];
  try {
    segments = catalog.segments(TENANT);
  } finally {
    await catalog[Symbol.asyncDispose]();
  }
  if (segments.length === 0) return { spans: 0, traces: 0 };
  return withStoredSpans(dir, segments, async (database, spans) => {
    const [row] = await database.rows(
      `SELECT count(*)::DOUBLE, count(DISTINCT trace_id)::DOUBLE FROM ${spans}`,
    );
    return { spans: Number(row?.[0]), traces: Number(row?.[1]) };
  });
}
