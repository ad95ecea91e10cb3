import fs from "node:fs";
import { fileError } from "../../src/drivers/files/file-error.ts";
import type { AppendFile, Files } from "../../src/drivers/files/files.ts";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";

/** What goes wrong; change the fields while the files are in use. */
export type Faults = {
  /** Bytes that may still be written; the write that exceeds it stops there with ENOSPC. */
  freeBytes: number;
  /** Every fsync of a file fails with EIO. */
  failSync: boolean;
  failTruncate: boolean;
  failUnlink: boolean;
  /** Files cannot be created. */
  failCreate: boolean;
  /** The process has "died": nothing works any more. */
  crashed: boolean;
  /** The next write puts this many bytes into the file and then fails with EIO. */
  tearNextWriteAt: number | undefined;
};

/** The real file system with faults; remembers what was synced, so that a power loss can be played. */
export type FaultyFiles = Files & {
  readonly faults: Faults;
  /** fsyncs of files that succeeded. */
  readonly syncs: () => number;
  /**
   * Stops everything, then lets each file lose a part of what was not synced: `keep` in [0, 1] is
   * the share of those bytes that stays, and with `zero` the rest is there as zeros.
   */
  crash(keep: () => number, zero: () => boolean): void;
};

export function faultyFiles(): FaultyFiles {
  const real = nodeFiles();
  const faults: Faults = {
    freeBytes: Number.POSITIVE_INFINITY,
    failSync: false,
    failTruncate: false,
    failUnlink: false,
    failCreate: false,
    crashed: false,
    tearNextWriteAt: undefined,
  };
  const synced = new Map<string, number>();
  let syncs = 0;
  const alive = (path: string) => {
    if (faults.crashed) throw fileError("use", path, new Error("crashed"));
  };
  const fail = (when: boolean, code: string, action: string, path: string) => {
    alive(path);
    if (when) throw fileError(action, path, Object.assign(new Error(code), { code }));
  };
  return {
    ...real,
    faults,
    syncs: () => syncs,
    async openAppend(path, options) {
      alive(path);
      const exists = fs.existsSync(path);
      fail(faults.failCreate && !exists, "ENOSPC", "open", path);
      const file = await real.openAppend(path, options);
      if (!synced.has(path)) synced.set(path, exists ? fs.statSync(path).size : 0);
      return faultyAppendFile(path, file, faults, fail, () => {
        syncs++;
        synced.set(path, fs.statSync(path).size);
      });
    },
    async unlink(path) {
      fail(faults.failUnlink, "EIO", "remove", path);
      synced.delete(path);
      return real.unlink(path);
    },
    async rename(from, to) {
      alive(from);
      return real.rename(from, to);
    },
    async syncDir(dir) {
      fail(faults.failSync, "EIO", "fsync folder", dir);
      return real.syncDir(dir);
    },
    async freeBytes(path) {
      return Math.min(faults.freeBytes, await real.freeBytes(path));
    },
    async writeFileAtomic(path, parts, options) {
      const all = parts instanceof Uint8Array ? [parts] : parts;
      const byteCount = all.reduce((total, part) => total + part.length, 0);
      fail(byteCount > faults.freeBytes, "ENOSPC", "write", path);
      return real.writeFileAtomic(path, parts, options);
    },
    crash(keep, zero) {
      faults.crashed = true;
      for (const [path, syncedBytes] of synced) {
        if (!fs.existsSync(path)) continue;
        const size = fs.statSync(path).size;
        if (size <= syncedBytes) continue;
        const kept = syncedBytes + Math.floor((size - syncedBytes) * keep());
        fs.truncateSync(path, kept);
        if (zero()) fs.truncateSync(path, size);
      }
    },
  };
}

function faultyAppendFile(
  path: string,
  file: AppendFile,
  faults: Faults,
  fail: (when: boolean, code: string, action: string, path: string) => void,
  onSynced: () => void,
): AppendFile {
  const writePrefix = async (parts: readonly Uint8Array[], position: number, bytes: number) => {
    const all = Buffer.concat(parts);
    await file.write([all.subarray(0, bytes)], position);
  };
  return {
    async write(parts, position) {
      fail(false, "", "write", path);
      const byteCount = parts.reduce((sum, part) => sum + part.length, 0);
      const tear = faults.tearNextWriteAt;
      if (tear !== undefined) {
        faults.tearNextWriteAt = undefined;
        await writePrefix(parts, position, Math.min(tear, byteCount));
        fail(true, "EIO", "write", path);
      }
      if (byteCount > faults.freeBytes) {
        await writePrefix(parts, position, faults.freeBytes);
        faults.freeBytes = 0;
        fail(true, "ENOSPC", "write", path);
      }
      faults.freeBytes -= byteCount;
      await file.write(parts, position);
    },
    async sync() {
      fail(faults.failSync, "EIO", "fsync", path);
      await file.sync();
      if (!faults.crashed) onSynced();
    },
    async truncate(sizeBytes) {
      fail(faults.failTruncate, "EIO", "truncate", path);
      await file.truncate(sizeBytes);
    },
    close: () => file.close(),
  };
}
