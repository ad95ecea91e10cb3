import { readFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { loadSettings } from "../../config/load.ts";
import { ProcessSql } from "../../drivers/duckdb/isolated/process-sql.ts";
import { QueryFolders } from "../../drivers/duckdb/isolated/query-folders.ts";
import { openDatabase } from "../../drivers/duckdb/node-database.ts";
import { type Files, joinPath } from "../../drivers/files/files.ts";
import { nodeFiles } from "../../drivers/files/node-files.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import { DEFAULT_SQL_SETTINGS } from "../../query/sql/settings.ts";
import { SqlQuery } from "../../query/sql/sql-query.ts";
import type { SegmentSummary, SegmentWithKeys } from "../../schema/segment-meta.ts";
import { SINGLE_TENANT } from "../../server/tenant.ts";
import { openCatalog } from "../../storage/catalog/duckdb-catalog.ts";
import { segmentPath } from "../../storage/segments/segment-writer.ts";
import type { SqlSource } from "./source.ts";

export type FolderLocation = {
  readonly dataDir: string | undefined;
  readonly configFile: string | undefined;
};

const CATALOG_MEMORY_BYTES = 64 * 1024 * 1024;
const MAX_TEMP_BYTES = 4 * 1024 ** 3;

/**
 * Reads a data folder that no server has open, changing nothing in it but the lock. The segments
 * are listed when a statement comes; the folder is free again before it runs.
 */
export function folderSource(location: FolderLocation): SqlSource {
  return {
    async run({ tenant = SINGLE_TENANT, signal, ...request }) {
      const { dataDir, segmentDir, memoryLimitBytes } = settingsOf(location);
      const segments = await segmentsOf(dataDir, segmentDir, tenant);
      const query = new SqlQuery(
        {
          catalog: {
            segments: () => segments,
            loadKeys: async () => ({ segments, [Symbol.dispose]: () => {} }),
          },
          isolated: new ProcessSql(new QueryFolders({ onLeft }, join(tmpdir(), "pintail-sql")), {
            memoryLimitBytes,
            threads: availableParallelism(),
            maxTempBytes: MAX_TEMP_BYTES,
          }),
          segmentPath: (meta) => segmentPath(segmentDir, meta),
          cutHead: async () => {},
        },
        DEFAULT_SQL_SETTINGS,
      );
      const { body } = await query.run({ ...request, tenants: [tenant] }, signal);
      return body;
    },
  };
}

function onLeft(folder: string, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`warning: ${folder} could not be removed: ${reason}\n`);
}

function settingsOf({ dataDir, configFile }: FolderLocation) {
  const env = dataDir === undefined ? process.env : { ...process.env, PINTAIL_DATA_DIR: dataDir };
  const loaded = loadSettings({
    args: configFile === undefined ? [] : [`-config.file=${configFile}`],
    env,
    readFile: (path) => readFileSync(path, "utf8"),
  });
  if (loaded.action !== "run") throw new Error(`the configuration asks for '${loaded.action}'`);
  const { settings } = loaded;
  return {
    dataDir: settings.dataDir,
    segmentDir: settings.ingest.segmentDir,
    memoryLimitBytes: settings.query.memoryLimitBytes,
  };
}

/** The tenant's segments as the catalog lists them. */
async function segmentsOf(
  dataDir: string,
  segmentDir: string,
  tenant: string,
): Promise<readonly SegmentWithKeys[]> {
  const files = nodeFiles();
  if ((await files.stat(joinPath(dataDir, "catalog.duckdb"))) === undefined) {
    throw new Error(
      `there is no catalog in ${dataDir}, and no server was named; see --data-dir, --url`,
    );
  }
  const lock = await files.lock(joinPath(dataDir, "lock")).catch((cause: unknown) => {
    throw new Error(`a server has ${dataDir} open; ask it with --url`, { cause });
  });
  try {
    const catalog = await openCatalog({
      files: withoutChanges(files),
      dataDir,
      openDatabase: (path) =>
        openDatabase({
          path,
          readOnly: true,
          memoryLimitBytes: CATALOG_MEMORY_BYTES,
          tempDir: join(tmpdir(), "pintail-sql"),
          threads: 1,
          maxConcurrent: 1,
        }),
      rebuild: () => Promise.reject(unusable(dataDir)),
      nowMs: Date.now,
    });
    try {
      const segments = catalog.segments(tenant);
      if (segments.length === 0 && catalog.tenants().length > 0) {
        const known = catalog.tenants().slice(0, 20).join(", ");
        process.stderr.write(
          `there are no spans of tenant ${tenant}; there are some of ${known}\n`,
        );
      }
      await refuseMissing(files, segments, segmentDir);
      // Whole copies: the catalog is closed when they are read.
      using loaded = await catalog.loadKeys(segments);
      return loaded.segments.map((segment) => ({
        ...segment,
        rowGroups: segment.rowGroups,
        replaces: segment.replaces,
        keys: segment.keys,
      }));
    } finally {
      await catalog[Symbol.asyncDispose]();
    }
  } catch (e) {
    if (isPintailError(e)) throw new Error(`cannot read the catalog: ${e.message}`, { cause: e });
    throw e;
  } finally {
    await lock.release();
  }
}

/** A command without a server does not fetch from a bucket. */
async function refuseMissing(
  files: Files,
  segments: readonly SegmentSummary[],
  segmentDir: string,
): Promise<void> {
  const inBucket = segments.filter(({ object }) => object !== undefined);
  for (const segment of inBucket) {
    if ((await files.stat(segmentPath(segmentDir, segment))) !== undefined) continue;
    throw new Error("some segments are in the bucket only; start Pintail and ask it with --url");
  }
}

/** A catalog that has to be made again is moved aside first: not by a command that only reads. */
function withoutChanges(files: Files): Files {
  return { ...files, rename: (from) => Promise.reject(unusable(from)) };
}

function unusable(path: string): PintailError {
  return new PintailError(
    "unavailable",
    `${path} is not usable as it is; start Pintail, or run 'pintail catalog rebuild'`,
  );
}
