import type { Files } from "../../drivers/files/files.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { segmentPath } from "../segments/segment-writer.ts";

export type DiskParts = {
  readonly files: Pick<Files, "freeBytes" | "totalBytes" | "stat">;
  readonly catalog: Pick<Catalog, "deletable">;
  readonly segmentDir: string;
};

/**
 * Bytes that the disk of the segments holds beyond `maxDiskPercent` of its size (0 = no bound), less
 * those of files that left the catalog: these go soon, and nothing must go in their place.
 */
export async function excessDiskBytes(parts: DiskParts, maxDiskPercent: number): Promise<number> {
  if (maxDiskPercent <= 0) return 0;
  const { files, catalog, segmentDir } = parts;
  const totalBytes = await files.totalBytes(segmentDir);
  const freeBytes = await files.freeBytes(segmentDir);
  const excess = totalBytes * (1 - maxDiskPercent / 100) - freeBytes;
  if (excess <= 0) return 0;
  let leaving = 0;
  for (const segment of catalog.deletable(Number.NEGATIVE_INFINITY)) {
    leaving += (await files.stat(segmentPath(segmentDir, segment)))?.sizeBytes ?? 0;
  }
  return excess - leaving;
}
