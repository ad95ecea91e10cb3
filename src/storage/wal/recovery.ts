import { type Files, joinPath } from "../../drivers/files/files.ts";
import type { Lsn, WalRange } from "../../schema/segment-meta.ts";
import { LsnRanges } from "./lsn-ranges.ts";
import type { Quarantine } from "./quarantine.ts";
import { scanWalRange } from "./read-range.ts";
import { walFileName, walFirstLsns } from "./wal-format.ts";

/** What a start found. */
export type WalRecovery = {
  /** Records from `recoverFrom` on that are good and not voided. */
  readonly records: number;
  readonly voidedRecords: number;
  /** Bytes of an unfinished write cut off at the end. */
  readonly tornBytes: number;
  /** Damaged ranges before the end; their bytes are in the quarantine folder. */
  readonly damaged: readonly WalRange[];
  readonly endLsn: Lsn;
};

export type RecoveredWal = {
  readonly recovery: WalRecovery;
  readonly voided: LsnRanges;
  /** Positions of the files that are left, ascending. */
  readonly files: readonly { readonly firstLsn: Lsn; readonly endLsn: Lsn }[];
};

/**
 * Reads all records from `from` on, finds the end and cleans it up. Whatever is damaged, the result
 * is a WAL that can be read and appended to.
 */
export async function recoverWal(
  files: Files,
  dir: string,
  from: Lsn,
  startAtLeast: Lsn,
  quarantine: Quarantine,
): Promise<RecoveredWal> {
  const firstLsns = walFirstLsns(await files.list(dir));
  const lastFirst = firstLsns.at(-1);
  const lastBytes = lastFirst === undefined ? 0 : await sizeOf(files, dir, lastFirst);
  const voided = new LsnRanges();
  const lsns: Lsn[] = [];
  const bad: { readonly range: WalRange; readonly whole: boolean }[] = [];
  let goodTo =
    lastFirst === undefined ? 0 : Math.max(lastFirst, Math.min(from, lastFirst + lastBytes));
  for await (const item of scanWalRange(files, dir, { from, to: Number.POSITIVE_INFINITY })) {
    if (item.type === "bad") bad.push(item);
    else if (item.type === "void") {
      for (const range of item.ranges) voided.add(range);
      goodTo = Math.max(goodTo, item.endLsn);
    } else {
      lsns.push(item.record.lsn);
      goodTo = Math.max(goodTo, item.record.endLsn);
    }
  }
  // Nothing good follows these: the end of a write that a crash interrupted.
  const torn = bad.filter(({ range }) => range.from >= goodTo);
  const damaged = bad.filter(({ range }) => range.from < goodTo);
  // A last record of full length may have been acknowledged and damaged since.
  for (const { range } of [...damaged, ...torn.filter(({ whole }) => whole)]) {
    await quarantine.saveRange(range, "damaged bytes in the WAL");
  }

  let endLsn = Math.max(goodTo, from, startAtLeast);
  if (lastFirst !== undefined && (lastFirst + lastBytes > goodTo || lastBytes === 0)) {
    const cleaned = await cutOff(files, dir, lastFirst, goodTo);
    // A file of that name is in the way of the next one.
    if (!cleaned && goodTo === lastFirst) endLsn = Math.max(endLsn, goodTo + 1);
  }
  const voidedRecords = lsns.filter((lsn) => voided.has(lsn)).length;
  return {
    recovery: {
      records: lsns.length - voidedRecords,
      voidedRecords,
      tornBytes: torn.reduce((sum, { range }) => sum + range.to - range.from, 0),
      damaged: damaged.map(({ range }) => range),
      endLsn,
    },
    voided,
    files: await remainingFiles(files, dir, goodTo),
  };
}

/** Ends the last file at `endLsn`, on the disk; false when the disk refuses. */
async function cutOff(files: Files, dir: string, firstLsn: Lsn, endLsn: Lsn): Promise<boolean> {
  const path = joinPath(dir, walFileName(firstLsn));
  try {
    if (endLsn === firstLsn) {
      await files.unlink(path);
      return true;
    }
    const file = await files.openAppend(path);
    try {
      await file.truncate(endLsn - firstLsn);
      await file.sync();
    } finally {
      await file.close();
    }
    return true;
  } catch {
    // The next file begins at `endLsn`, which makes the bytes beyond it void as well.
    return false;
  }
}

async function remainingFiles(files: Files, dir: string, goodTo: Lsn): Promise<FilePosition[]> {
  const firstLsns = walFirstLsns(await files.list(dir));
  return firstLsns.map((firstLsn, i) => ({ firstLsn, endLsn: firstLsns[i + 1] ?? goodTo }));
}

type FilePosition = { readonly firstLsn: Lsn; readonly endLsn: Lsn };

async function sizeOf(files: Files, dir: string, firstLsn: Lsn): Promise<number> {
  return (await files.stat(joinPath(dir, walFileName(firstLsn))))?.sizeBytes ?? 0;
}
