import { type Files, joinPath } from "../../drivers/files/files.ts";
import type { ObjectStore } from "../../drivers/objects/object-store.ts";
import { isPintailError } from "../../errors.ts";
import type { Lsn, SegmentMeta, WalRange } from "../../schema/segment-meta.ts";
import {
  type ListedSegment,
  type ReadMeta,
  readFooters,
  type StoredFootersParts,
  storedSegments,
} from "../bucket/stored-footers.ts";
import type { WalPositions } from "./catalog.ts";
import type { RebuiltCatalog } from "./duckdb-catalog.ts";
import type { Redaction } from "./redaction.ts";

export type RebuildParts = {
  readonly files: Files;
  readonly segmentDir: string;
  /** Reads a segment's description from its footer; throws `corrupt` when the file is none. */
  readonly readMeta: ReadMeta;
  /** The LSNs that the WAL still has, if any. */
  readonly walRange: WalRange | undefined;
  /** Told of each file put aside. */
  readonly onQuarantined?: (path: string, reason: string) => void;
  /** Where segments rest besides the local disk. */
  readonly bucket?: RebuildBucket | undefined;
};

export type RebuildBucket = {
  readonly store: ObjectStore;
  readonly signal: AbortSignal;
  /** What the bucket knows of redactions. */
  readonly readRedactions: () => Promise<readonly Redaction[]>;
  /** Told of each object that is no segment; it stays where it is. */
  readonly onBadObject: (key: string, reason: string) => void;
  /** Told how many objects were listed and how many of them were read. */
  readonly onProgress?: (listed: number, read: number) => void;
};

/** Without the large parts. */
type Found = Omit<SegmentMeta, "keys" | "traceFilter">;

const SUFFIX = ".parquet";
const BATCH = 100;
/** Footers are read once for what is live, and again for what that needs; so much need not be. */
const HELD_BYTES = 64 * 1024 * 1024;
/** Parsed, next to the bytes of its values. */
const BYTES_PER_VALUE = 64;

/**
 * The catalog that the segment files tell of, those on the local disk and those in the bucket. `hint` holds WAL positions that are certain. Files
 * that are no segments are renamed to `<name>.corrupt`; segments that others stand for are listed as
 * removed. Errors of the disk pass through.
 */
export async function rebuildCatalog(
  parts: RebuildParts,
  hint: WalPositions,
): Promise<RebuiltCatalog> {
  const local = await findSegments(parts);
  const remote = parts.bucket === undefined ? undefined : await findStored(parts, local);
  const found = [...local.values(), ...(remote?.found ?? [])];
  const { live, walPositions } = chooseLive(found, hint, parts.walRange);
  const liveIds = new Set(live.map(({ id }) => id));
  const removed = found.filter(({ id }) => !liveIds.has(id));
  const redactions = await parts.bucket?.readRedactions();
  return {
    segments: readAgain(parts, live, remote),
    removed,
    walPositions,
    ...(redactions && { redactions }),
  };
}

/** By id. */
async function findSegments(parts: RebuildParts): Promise<Map<string, Found>> {
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
      found.set(meta.id, withoutLargeParts(meta));
    }
  }
  return found;
}

type FoundStored = {
  readonly reader: StoredFootersParts;
  /** Those that the bucket alone has. */
  readonly found: readonly Found[];
  readonly objects: ReadonlyMap<string, ListedSegment>;
  /** Whole descriptions of some of them. */
  readonly held: ReadonlyMap<string, SegmentMeta>;
};

/** What the bucket has. Segments of `local` that are there as well get their `object`. */
async function findStored(
  { bucket, readMeta }: RebuildParts,
  local: Map<string, Found>,
): Promise<FoundStored | undefined> {
  if (bucket === undefined) return undefined;
  const { store, signal, onBadObject, onProgress } = bucket;
  const reader: StoredFootersParts = { store, readMeta, signal, onBadObject };
  const found: Found[] = [];
  const objects = new Map<string, ListedSegment>();
  const held = new Map<string, SegmentMeta>();
  let heldBytes = 0;
  let [listed, read] = [0, 0];
  for await (const page of storedSegments(reader)) {
    const unknown = page.filter((object) => !isCopied(object, local, onBadObject));
    listed += page.length;
    read += page.length - unknown.length;
    onProgress?.(listed, read);
    await readFooters(reader, unknown, (meta, object) => {
      found.push(withoutLargeParts(meta));
      objects.set(meta.id, object);
      const bytes = weightOf(meta);
      if (heldBytes + bytes <= HELD_BYTES) {
        heldBytes += bytes;
        held.set(meta.id, meta);
      }
      onProgress?.(listed, ++read);
    });
  }
  return { reader, found, objects, held };
}

/** Whether the object is a segment of which there is a local file. */
function isCopied(
  { key, segment, sizeBytes, version }: ListedSegment,
  local: Map<string, Found>,
  onBadObject: RebuildBucket["onBadObject"],
): boolean {
  const file = local.get(segment.id);
  if (file === undefined || file.tenant !== segment.tenant) return false;
  if (file.byteSize === sizeBytes) local.set(file.id, { ...file, object: { version } });
  else onBadObject(key, `it has ${sizeBytes} bytes, the local file ${file.byteSize}`);
  return true;
}

function withoutLargeParts({ keys: _, traceFilter: __, ...rest }: SegmentMeta): Found {
  return rest;
}

function weightOf({ keys, traceFilter }: SegmentMeta): number {
  let bytes = traceFilter.length;
  for (const { values } of keys) {
    for (const value of values) bytes += BYTES_PER_VALUE + value.length;
    bytes += BYTES_PER_VALUE;
  }
  return bytes;
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

async function* readAgain(
  parts: RebuildParts,
  live: readonly Found[],
  remote: FoundStored | undefined,
): AsyncGenerator<readonly SegmentMeta[], void> {
  for (let at = 0; at < live.length; at += BATCH) {
    const batch: SegmentMeta[] = [];
    const fetch: ListedSegment[] = [];
    for (const { tenant, id, object } of live.slice(at, at + BATCH)) {
      const stored = remote?.objects.get(id);
      const held = remote?.held.get(id);
      if (held !== undefined) batch.push(held);
      else if (stored !== undefined) fetch.push(stored);
      else {
        const path = joinPath(parts.segmentDir, tenant, id + SUFFIX);
        batch.push({ ...(await readSegmentFile(parts, path)), ...(object && { object }) });
      }
    }
    if (remote !== undefined) await readFooters(remote.reader, fetch, (meta) => batch.push(meta));
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
 *   is there, nothing was deleted since, and the L0 segments are taken instead. Not when the bucket
 *   has one of them: only what was committed is uploaded.
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
  if (last.some(({ object }) => object !== undefined)) return [];
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
