import { type Files, joinPath } from "../drivers/files/files.ts";
import type { SegmentMeta } from "../schema/segment-meta.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Catalog } from "./catalog/catalog.ts";
import { segmentPath } from "./segments/segment-writer.ts";

export type ReconcileParts = {
  readonly files: Files;
  readonly segmentDir: string;
  readonly catalog: Catalog;
  readonly log: Logger;
};

export type ReconcileResult = {
  /** Files that no commit knows: written right before a crash. */
  readonly orphans: number;
  /** Segments of level 1 and above whose file is gone. */
  readonly lost: number;
  /** L0 segments given up, to be made again from the WAL. */
  readonly redone: number;
};

const SEGMENT_FILE = /^([0-9A-HJKMNP-TV-Z]{26})\.parquet$/;

/**
 * Makes catalog and folder agree at the start, before anything is written: deletes files that no
 * commit knows, and drops segments whose file is missing. When an L0 file is missing or cut short
 * all L0 segments go, since the WAL still has what they hold. One bad file never blocks the start.
 */
export async function reconcile(parts: ReconcileParts): Promise<ReconcileResult> {
  const { files, segmentDir, catalog, log } = parts;
  const onDisk = new Set<string>();
  let orphans = 0;
  const waiting = new Set(catalog.deletable(0).map((s) => s.id));
  for (const tenant of await files.list(segmentDir)) {
    // `@pintail` holds the catalog; `@` cannot occur in a tenant's name.
    if (tenant.startsWith("@")) continue;
    const dir = joinPath(segmentDir, tenant);
    if ((await files.stat(dir))?.isDirectory !== true) continue;
    for (const name of await files.list(dir)) {
      const id = SEGMENT_FILE.exec(name)?.[1];
      if (id !== undefined && catalog.segment(id) !== undefined) onDisk.add(id);
      else if ((id !== undefined && !waiting.has(id)) || name.includes(".parquet.tmp-")) {
        await files.unlink(joinPath(dir, name));
        orphans++;
      }
    }
  }
  const all = catalog.tenants().flatMap((tenant) => catalog.segments(tenant));
  const l0 = all.filter((s) => s.level === 0);
  const broken = await Promise.all(l0.map((s) => isBroken(files, segmentDir, s)));
  const redo = broken.some((b) => b);
  const missing = all.filter((s) => s.level > 0 && !onDisk.has(s.id));
  for (const { id, tenant, level } of missing) {
    log.error("segment file is missing", { segment: id, tenant, level });
  }
  if (redo || missing.length > 0) {
    const { releasedTo } = catalog.walPositions();
    const gone = [...missing, ...(redo ? l0 : [])].map((s) => s.id);
    await catalog.commit({ remove: gone, ...(redo ? { cutTo: releasedTo } : {}) });
  }
  return { orphans, lost: missing.length, redone: redo ? l0.length : 0 };
}

async function isBroken(files: Files, segmentDir: string, meta: SegmentMeta): Promise<boolean> {
  const stat = await files.stat(segmentPath(segmentDir, meta));
  return stat === undefined || stat.sizeBytes !== meta.byteSize;
}
