import { type Files, joinPath, type SyncFiles } from "../../drivers/files/files.ts";
import type { Lsn, WalRange } from "../../schema/segment-meta.ts";
import { LsnRanges } from "./lsn-ranges.ts";
import { type ScanItem, type ScanPart, scan, scanSync } from "./scan.ts";
import { type WalRecord, walFileName, walFirstLsns } from "./wal-format.ts";

export type WalRangeOptions = {
  /** Records to leave out: `Wal.voided(from, to)` of the thread that owns the WAL. */
  readonly voided?: readonly WalRange[];
  /** Bytes in the range that are no record. */
  readonly onBad?: (range: WalRange) => void;
};

/**
 * Records that begin in `[from, to)`, in order, from the files of the WAL folder `dir`, without
 * waiting: for worker threads. All of them must be durable. Each body is the callee's to keep; no
 * more than one record and a small window is held here. Throws `not_found` when a file is released
 * meanwhile.
 */
export function readWalRange(
  files: SyncFiles,
  dir: string,
  { from, to }: WalRange,
  onRecord: (record: WalRecord) => void,
  options: WalRangeOptions = {},
): void {
  const voided = rangesOf(options.voided);
  const onItem = (item: ScanItem) => {
    if (item.type === "bad") options.onBad?.(item.range);
    if (item.type === "entry" && !voided.has(item.record.lsn)) onRecord(item.record);
  };
  for (const { firstLsn, limitLsn } of filesWithin(files.listSync(dir), from, to)) {
    const file = files.openReadSync(joinPath(dir, walFileName(firstLsn)));
    try {
      scanSync(file, partOf(firstLsn, limitLsn, file.sizeBytes, from, to), onItem);
    } finally {
      file.closeSync();
    }
  }
}

/** The same as items, for the thread that serves requests; voids and damage are given as well. */
export async function* scanWalRange(
  files: Files,
  dir: string,
  { from, to }: WalRange,
): AsyncGenerator<ScanItem, void> {
  for (const { firstLsn, limitLsn } of filesWithin(await files.list(dir), from, to)) {
    const file = await files.openRead(joinPath(dir, walFileName(firstLsn)));
    try {
      yield* scan(file, partOf(firstLsn, limitLsn, file.sizeBytes, from, to));
    } finally {
      await file.close();
    }
  }
}

type FileWithin = { readonly firstLsn: Lsn; readonly limitLsn: Lsn };

/** A file's bytes at or beyond the first LSN of the next file do not count. */
function filesWithin(names: readonly string[], from: Lsn, to: Lsn): FileWithin[] {
  const firstLsns = walFirstLsns(names);
  return firstLsns
    .map((firstLsn, i) => ({ firstLsn, limitLsn: firstLsns[i + 1] ?? Number.POSITIVE_INFINITY }))
    .filter(({ firstLsn, limitLsn }) => firstLsn < to && limitLsn > from);
}

function partOf(firstLsn: Lsn, limitLsn: Lsn, sizeBytes: number, from: Lsn, to: Lsn): ScanPart {
  const end = Math.min(sizeBytes, limitLsn - firstLsn);
  return { firstLsn, start: Math.max(0, from - firstLsn), stop: Math.min(end, to - firstLsn), end };
}

function rangesOf(ranges: readonly WalRange[] = []): LsnRanges {
  const set = new LsnRanges();
  for (const range of ranges) set.add(range);
  return set;
}
