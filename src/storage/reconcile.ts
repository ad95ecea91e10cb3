import { type Files, joinPath } from "../drivers/files/files.ts";
import { isPintailError } from "../errors.ts";
import type { SegmentSummary, StoredObject, WalRange } from "../schema/segment-meta.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Catalog } from "./catalog/catalog.ts";
import { type RebuildParts, readSegmentFile } from "./catalog/rebuild.ts";
import { segmentPath } from "./segments/segment-writer.ts";

export type ReconcileParts = {
  readonly files: Files;
  readonly segmentDir: string;
  readonly readMeta: RebuildParts["readMeta"];
  readonly catalog: Catalog;
  /** The LSNs that the WAL still has, if any. */
  readonly walRange: WalRange | undefined;
  /** The segment's object, asked of the bucket if there is one; rejects when it cannot be reached. */
  readonly findObject?:
    | ((segment: SegmentSummary) => Promise<StoredObject | undefined>)
    | undefined;
  readonly log: Logger;
};

export type ReconcileResult = {
  /** Files that no commit knows and that were written right before a crash: deleted. */
  readonly orphans: number;
  /** Files that no commit knows and that may be the only copy of what they hold: renamed. */
  readonly putAside: number;
  /** Segments dropped because their file is gone (or short, of L0). */
  readonly lost: number;
  /** L0 segments given up, to be made again from the WAL. */
  readonly redone: number;
  /** Segments whose file is gone, but which the bucket has, as the catalog learned only now. */
  readonly found: number;
};

const SEGMENT_FILE = /^([0-9A-HJKMNP-TV-Z]{26})\.parquet$/;

/**
 * Makes catalog and folder agree at the start, before anything is written: cleans up files that no
 * commit knows, and drops segments whose file is missing, unless the bucket has them: then the file
 * was a copy. When an L0 file is missing or cut short
 * all L0 segments go, if the WAL still has what they hold. One bad file never blocks the start.
 */
export async function reconcile(parts: ReconcileParts): Promise<ReconcileResult> {
  const { files, segmentDir, catalog, log } = parts;
  const found = await findFiles(parts);
  let [orphans, putAside] = [0, 0];
  for (const { path, isSegment } of found.unknown) {
    try {
      if (isSegment && !(await isElsewhere(parts, path))) {
        // A catalog from a backup, or a file that somebody copied here.
        await files.rename(path, `${path}.orphan`);
        log.error("segment that the catalog does not know put aside", { path: `${path}.orphan` });
        putAside++;
      } else {
        await files.unlink(path);
        orphans++;
      }
    } catch (error) {
      log.warn("file that the catalog does not know left in its place", { path, error });
    }
  }
  const all = catalog.tenants().flatMap((tenant) => catalog.segments(tenant));
  const absent = all.filter((s) => s.level > 0 && s.object === undefined && !found.known.has(s.id));
  const { stored, missing } = await askBucket(parts, absent);
  const l0 = all.filter((s) => s.level === 0);
  const broken: SegmentSummary[] = [];
  for (const segment of l0) if (await isBroken(files, segmentDir, segment)) broken.push(segment);
  const redo = broken.length > 0 && walHasCuts(parts);
  const lost = redo ? missing : [...missing, ...broken];
  for (const { id, tenant, level } of lost) {
    log.error("segment file is missing or cut short", { segment: id, tenant, level });
  }
  if (redo || lost.length > 0) {
    const { releasedTo } = catalog.walPositions();
    const gone = [...lost, ...(redo ? l0 : [])].map((s) => s.id);
    await catalog.commit({ remove: gone, ...(redo ? { cutTo: releasedTo } : {}) });
  }
  if (stored.length > 0) await catalog.commit({ stored });
  return {
    orphans,
    putAside,
    lost: lost.length,
    redone: redo ? l0.length : 0,
    found: stored.length,
  };
}

/**
 * An upload whose commit was lost. While the bucket cannot be asked, the segments stay in the catalog:
 * what is lost is decided when that is known.
 */
async function askBucket(
  { findObject, log }: ReconcileParts,
  absent: readonly SegmentSummary[],
): Promise<{
  readonly stored: readonly { readonly id: string; readonly object: StoredObject }[];
  readonly missing: readonly SegmentSummary[];
}> {
  if (findObject === undefined) return { stored: [], missing: absent };
  const stored: { id: string; object: StoredObject }[] = [];
  const missing: SegmentSummary[] = [];
  for (const segment of absent) {
    try {
      const object = await findObject(segment);
      if (object === undefined) missing.push(segment);
      else stored.push({ id: segment.id, object });
    } catch (error) {
      if (!isPintailError(error, "unavailable")) throw error;
      const rest = absent.length - stored.length - missing.length;
      log.error("segment files are missing, and the bucket cannot be asked for them", {
        segments: rest,
        segment: segment.id,
        error,
      });
      break;
    }
  }
  return { stored, missing };
}

type FoundFiles = {
  /** Ids of the catalog's segments that have a file. */
  readonly known: ReadonlySet<string>;
  readonly unknown: readonly { readonly path: string; readonly isSegment: boolean }[];
};

async function findFiles(parts: ReconcileParts): Promise<FoundFiles> {
  const { files, segmentDir, catalog } = parts;
  const known = new Set<string>();
  const unknown: { path: string; isSegment: boolean }[] = [];
  const waiting = removedIds(catalog);
  for (const folder of await files.list(segmentDir)) {
    // `@pintail` holds the catalog; `@` cannot occur in a tenant's name.
    if (folder.startsWith("@")) continue;
    const dir = joinPath(segmentDir, folder);
    if ((await files.stat(dir))?.isDirectory !== true) continue;
    for (const name of await namesIn(parts, folder)) {
      const id = SEGMENT_FILE.exec(name)?.[1];
      const path = joinPath(dir, name);
      if (id === undefined) {
        if (name.includes(".parquet.tmp-")) unknown.push({ path, isSegment: false });
      } else if (catalog.segment(id) !== undefined) known.add(id);
      else if (!waiting.has(id)) unknown.push({ path, isSegment: true });
    }
  }
  return { known, unknown };
}

async function namesIn(parts: ReconcileParts, folder: string): Promise<string[]> {
  const dir = joinPath(parts.segmentDir, folder);
  try {
    return await parts.files.list(dir);
  } catch (error) {
    // Else its segments would count as lost.
    if (parts.catalog.segments(folder).length > 0) throw error;
    parts.log.warn("folder among the segments cannot be read", { path: dir, error });
    return [];
  }
}

/** Whether what the file holds is surely in other segments, or will be made again from the WAL. */
async function isElsewhere(parts: ReconcileParts, path: string): Promise<boolean> {
  const { catalog, walRange: wal } = parts;
  let meta: SegmentSummary;
  try {
    meta = await readSegmentFile(parts, path);
  } catch (e) {
    if (isPintailError(e, "corrupt")) return false;
    throw e;
  }
  const { cutTo, releasedTo } = catalog.walPositions();
  const { level, walRange, replaces } = meta;
  const again = level === 0 ? cutTo : releasedTo;
  if (walRange !== undefined && walRange.from >= again && covers(wal, walRange)) return true;
  const waiting = removedIds(catalog);
  const isKnown = (id: string) => catalog.segment(id) !== undefined || waiting.has(id);
  return replaces.length > 0 && replaces.every(isKnown);
}

/** Of all segments whose files are still to be deleted, also when the clock was set back. */
function removedIds(catalog: Catalog): ReadonlySet<string> {
  return new Set(catalog.deletable(Number.NEGATIVE_INFINITY).map((s) => s.id));
}

function walHasCuts({ catalog, walRange }: ReconcileParts): boolean {
  const { cutTo, releasedTo } = catalog.walPositions();
  return covers(walRange, { from: releasedTo, to: cutTo });
}

function covers(wal: WalRange | undefined, { from, to }: WalRange): boolean {
  return wal !== undefined && wal.from <= from && wal.to >= to;
}

async function isBroken(files: Files, segmentDir: string, meta: SegmentSummary): Promise<boolean> {
  const stat = await files.stat(segmentPath(segmentDir, meta));
  return stat === undefined || stat.sizeBytes !== meta.byteSize;
}
