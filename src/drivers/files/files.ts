/**
 * What Pintail needs of a file system, so that tests can make one fail. Paths are as the runtime
 * takes them. Every method rejects with a `PintailError`: `unavailable` when the disk is full or the
 * system is out of handles (with `retryAfterMs`), `not_found`, else `internal`.
 */
export interface Files extends SyncFiles {
  /** Creates the file when it is missing; with `exclusive` an existing one is an error. */
  openAppend(path: string, options?: { readonly exclusive?: boolean }): Promise<AppendFile>;
  openRead(path: string): Promise<ReadFile>;
  /** `undefined` when nothing is there. */
  stat(path: string): Promise<FileStat | undefined>;
  /** Names (not paths) in a folder, sorted; empty when the folder is missing. */
  list(dir: string): Promise<string[]>;
  /** Replaces `to` when it exists. Durable after `syncDir` of both folders. */
  rename(from: string, to: string): Promise<void>;
  /** A missing file is no error. */
  unlink(path: string): Promise<void>;
  /** With the folders above it; an existing one is no error. */
  mkdir(dir: string): Promise<void>;
  /** Makes creations, renames and removals in `dir` durable. */
  syncDir(dir: string): Promise<void>;
  /** Whole file; rejects with `too_large` beyond `maxBytes`. */
  readFile(path: string, maxBytes: number): Promise<Uint8Array>;
  /**
   * All or nothing, also across a crash: temporary file, fsync, rename, fsync of the folder. With
   * `ownerOnly` other users cannot read it.
   */
  writeFileAtomic(
    path: string,
    parts: Uint8Array | readonly Uint8Array[],
    options?: { readonly ownerOnly?: boolean },
  ): Promise<void>;
  /** Bytes an unprivileged process may still write on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
  /** Size of that file system. */
  totalBytes(path: string): Promise<number>;
  /**
   * Takes the lock file `path`, so that one process uses a folder at a time. Rejects with
   * `unavailable` naming the process that holds it; a lock whose process is gone is taken over.
   */
  lock(path: string): Promise<FileLock>;
}

/** The part that a worker thread uses without waiting. Throws like `Files` rejects. */
export interface SyncFiles {
  openReadSync(path: string): SyncReadFile;
  listSync(dir: string): string[];
}

export type FileStat = {
  readonly sizeBytes: number;
  readonly modifiedUnixMs: number;
  readonly isDirectory: boolean;
};

export interface AppendFile {
  /**
   * Writes the parts one after the other at `position`. After a rejection any prefix of the bytes
   * may be in the file.
   */
  write(parts: readonly Uint8Array[], position: number): Promise<void>;
  /** fdatasync: resolves when all bytes written before, and the length, are on the disk. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

export interface ReadFile {
  readonly sizeBytes: number;
  /** Fills `target` from `position`; fewer bytes only at the end of the file. Returns the count. */
  read(target: Uint8Array, position: number): Promise<number>;
  close(): Promise<void>;
}

export interface SyncReadFile {
  readonly sizeBytes: number;
  readSync(target: Uint8Array, position: number): number;
  closeSync(): void;
}

export interface FileLock {
  release(): Promise<void>;
}

/** The lock file's name in the data folder. */
export const LOCK_FILE = "lock";

/** `/`-joined; the runtimes take it on Windows as well. */
export function joinPath(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("/");
}
