import { openDatabase } from "../../../src/drivers/duckdb/node-database.ts";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { type CatalogParts, openCatalog } from "../../../src/storage/catalog/duckdb-catalog.ts";
import type { DetailsSettings } from "../../../src/storage/catalog/segment-details.ts";

export function catalogParts(dataDir: string, changes: Partial<CatalogParts> = {}): CatalogParts {
  return {
    files: nodeFiles(),
    dataDir,
    openDatabase: (path) =>
      openDatabase({
        path,
        memoryLimitBytes: 256 * 1024 * 1024,
        tempDir: `${dataDir}/tmp`,
        threads: 1,
        maxConcurrent: 2,
      }),
    rebuild: async () => ({
      segments: (async function* () {})(),
      removed: [],
      walPositions: { cutTo: 0, releasedTo: 0 },
    }),
    nowMs: Date.now,
    ...changes,
  };
}

export function openTestCatalog(
  dataDir: string,
  changes: Partial<CatalogParts> = {},
  settings: Partial<DetailsSettings> = {},
) {
  return openCatalog(catalogParts(dataDir, changes), settings);
}
