import { type Files, joinPath } from "../../drivers/files/files.ts";
import { isPintailError } from "../../errors.ts";
import type { Lsn, SegmentMeta, WalRange } from "../../schema/segment-meta.ts";
import type { WalPositions } from "./catalog.ts";
import type { RebuiltCatalog } from "./duckdb-catalog.ts";

export type RebuildParts = {
  readonly files: Files;
  readonly segmentDir: string;
  /** Reads a segment's description from its footer; throws `corrupt` when the file is none. */
  readonly readMeta: (
    readAt: (offset: number, length: number) => Promise<Uint8Array>,
    fileSize: number,
  ) => Promise<SegmentMeta>;
  /** The LSNs that the WAL still has, if any. */
  readonly walRange: WalRange | undefined;
  /** Told of each file put aside. */
  readonly onQuarantined?: (path: string, reason: string) => void;
};

/** Without the large parts. */
type Found = Omit<SegmentMeta, "keys" | "traceFilter">;

const SUFFIX = ".parquet";
const BATCH = 100;

/**
 * The catalog that the segment files tell of. `hint` holds WAL positions that are certain. Files
 * that are no segments are renamed to `<name>.corrupt`; segments that others stand for are listed as
 * removed. Errors of the disk pass through.
 */
export async function rebuildCatalog(
  parts: RebuildParts,
  hint: WalPositions,
): Promise<RebuiltCatalog> {
  const found = await findSegments(parts);
  const { live, walPositions } = chooseLive(found, hint, parts.walRange);
  const liveIds = new Set(live.map(({ id }) => id));
  const removed = found.filter(({ id }) => !liveIds.has(id));
  return { segments: readAgain(parts, live), removed, walPositions };
}

async function findSegments(parts: RebuildParts): Promise<Found[]> {
  const { files, segmentDir } = parts;
  const found = new Map<string, Found>();
  for (const folder of await files.list(segmentDir)) {
    const dir = joinPath(segmentDir, folder);
    if ((await files.stat(dir))?.isDirectory !== true) continue;
    for (const name of await files.list(dir)) {
      if (!name.endsWith(SUFFIX)) continue;
      const path = joinPath(dir, name);
      const meta = await readOrQuarantine(parts, path, folder, name.slice(0, -SUFFIX.length));
      if (meta === undefined) continue;
      const { keys: _, traceFilter: __, ...rest } = meta;
      found.set(meta.id, rest);
    }
  }
  return [...found.values()];
}

async function readOrQuarantine(
  parts: RebuildParts,
  path: string,
  tenant: string,
  id: string,
): Promise<SegmentMeta | undefined> {
  let reason: string;
  try {
    const meta = await readSegmentFile(parts, path);
    if (meta.id === id && meta.tenant === tenant) return meta;
    reason = `it describes the segment ${meta.id} of tenant ${meta.tenant}`;
  } catch (e) {
    if (isPintailError(e, "not_found")) return undefined;
    if (isPintailError(e) && e.kind !== "corrupt") throw e;
    reason = e instanceof Error ? e.message : String(e);
  }
  await parts.files.rename(path, `${path}.corrupt`);
  parts.onQuarantined?.(path, reason);
  return undefined;
}

/** The description in the file's footer. Throws `corrupt` when it has none. */
export async function readSegmentFile(
  { files, readMeta }: Pick<RebuildParts, "files" | "readMeta">,
  path: string,
): Promise<SegmentMeta> {
  const file = await files.openRead(path);
  try {
    return await readMeta(async (offset, length) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, await file.read(bytes, offset));
    }, file.sizeBytes);
  } finally {
    await file.close();
  }
}

async function* readAgain(parts: RebuildParts, live: readonly Found[]) {
  for (let at = 0; at < live.length; at += BATCH) {
    const batch: SegmentMeta[] = [];
    for (const { tenant, id } of live.slice(at, at + BATCH)) {
      batch.push(await readSegmentFile(parts, joinPath(parts.segmentDir, tenant, id + SUFFIX)));
    }
    yield batch;
  }
}

/**
 * Which segments hold what was acknowledged, each record once, and where the WAL goes on.
 *
 * - One that another names in `replaces` is out.
 * - An L0 whose WAL range lies in that of an L1 of its tenant is out: the L1 holds all of it. So is
 *   the older of two L0 that overlap: a cut that was never committed and was made again.
 * - The last L1 job may have ended in a crash after some of its segments. While all that they replace
 *   is there, nothing was deleted since, and the L0 segments are taken instead.
 * - The segments of the last cut may be all but one of it, if it ended in a crash. When the WAL
 *   still has its records, they are out, and replay makes them again.
 */
export function chooseLive(
  found: readonly Found[],
  hint: WalPositions,
  wal: WalRange | undefined,
): { live: Found[]; walPositions: WalPositions } {
  const unfinished = unfinishedL1(found, hint);
  const finished = found.filter((one) => !unfinished.includes(one));
  const replaced = new Set(finished.flatMap(({ replaces }) => replaces));
  const left = finished.filter(({ id }) => !replaced.has(id));
  const merged = left.filter(({ level }) => level > 0);
  const releasedTo = Math.max(hint.releasedTo, ...merged.map(({ walRange }) => walRange?.to ?? 0));
  const cuts = left.filter((one) => one.level === 0 && !isCovered(one, left));
  const lastTo = Math.max(0, ...cuts.map(({ walRange }) => walRange?.to ?? 0));
  const last = cuts.filter(({ walRange }) => walRange?.to === lastTo);
  const lastFrom = Math.min(...last.map(({ walRange }) => walRange?.from ?? lastTo));
  const again = lastTo > hint.cutTo && lastFrom >= releasedTo && inWal(wal, lastFrom, lastTo);
  const live = [...merged, ...cuts.filter((one) => !(again && last.includes(one)))];
  const cutTo = Math.max(hint.cutTo, releasedTo, again ? lastFrom : lastTo);
  return { live, walPositions: { cutTo, releasedTo: Math.min(releasedTo, cutTo) } };
}

function unfinishedL1(found: readonly Found[], hint: WalPositions): readonly Found[] {
  const made = found.filter(({ level, walRange }) => level === 1 && walRange !== undefined);
  const lastTo = Math.max(0, ...made.map(({ walRange }) => walRange?.to ?? 0));
  if (lastTo <= hint.releasedTo) return [];
  const last = made.filter(({ walRange }) => walRange?.to === lastTo);
  const ids = new Set(found.map(({ id }) => id));
  const replaced = new Set(found.flatMap(({ replaces }) => replaces));
  const inputs = last.flatMap(({ replaces }) => replaces);
  const isOpen = inputs.length > 0 && inputs.every((id) => ids.has(id));
  return isOpen && !last.some(({ id }) => replaced.has(id)) ? last : [];
}

function isCovered(cut: Found, all: readonly Found[]): boolean {
  const mine = cut.walRange;
  if (mine === undefined) return false;
  return all.some(({ id, tenant, level, walRange, createdUnixMs }) => {
    if (id === cut.id || tenant !== cut.tenant || walRange === undefined) return false;
    if (level > 0) return walRange.from <= mine.from && mine.to <= walRange.to;
    const overlaps = walRange.from < mine.to && mine.from < walRange.to;
    const same = walRange.from === mine.from && walRange.to === mine.to;
    const newer =
      createdUnixMs > cut.createdUnixMs || (createdUnixMs === cut.createdUnixMs && id > cut.id);
    return overlaps && !same && newer;
  });
}

function inWal(wal: WalRange | undefined, from: Lsn, to: Lsn): boolean {
  return wal !== undefined && wal.from <= from && wal.to >= to;
}
