import fsSync from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { PintailError } from "../../errors.ts";
import { reached } from "../../runtime/failpoints.ts";
import { errorCode, fileError } from "./file-error.ts";
import type { AppendFile, FileStat, Files, ReadFile, SyncReadFile } from "./files.ts";
import { lockFile } from "./lock-file.ts";

/** The real file system, on Node, Bun and Deno. */
export function nodeFiles(): Files {
  return {
    openAppend: (file, options = {}) =>
      attempt("open", file, async () => {
        const { O_CREAT, O_EXCL, O_RDWR } = fsSync.constants;
        const flags = O_RDWR | O_CREAT | (options.exclusive === true ? O_EXCL : 0);
        return new NodeAppendFile(file, await fs.open(file, flags, 0o640));
      }),
    openRead: (file) =>
      attempt("open", file, async () => {
        const handle = await fs.open(file, "r");
        try {
          return new NodeReadFile(file, handle, (await handle.stat()).size);
        } catch (e) {
          await handle.close();
          throw e;
        }
      }),
    stat: (file) => attempt("stat", file, () => statOrUndefined(file)),
    list: (dir) => attempt("list", dir, async () => (await fs.readdir(dir)).sort(), []),
    rename: (from, to) => attempt("rename", from, () => fs.rename(from, to)),
    unlink: (file) => attempt("remove", file, () => fs.unlink(file), undefined),
    mkdir: (dir) =>
      attempt("create folder", dir, async () => {
        await fs.mkdir(dir, { recursive: true, mode: 0o750 });
      }),
    syncDir: (dir) => attempt("fsync folder", dir, () => syncDir(dir)),
    readFile: (file, maxBytes) => attempt("read", file, () => readWhole(file, maxBytes)),
    writeFileAtomic: (file, parts, options = {}) =>
      attempt("write", file, () => writeAtomic(file, parts, options.ownerOnly ? 0o600 : 0o640)),
    freeBytes: (file) =>
      attempt("stat the file system of", file, async () => {
        const { bavail, bsize } = await fs.statfs(file);
        return Number(bavail) * Number(bsize);
      }),
    totalBytes: (file) =>
      attempt("stat the file system of", file, async () => {
        const { blocks, bsize } = await fs.statfs(file);
        return Number(blocks) * Number(bsize);
      }),
    lock: (file) => attempt("lock", file, () => lockFile(file)),
    openReadSync: (file) =>
      attemptSync("open", file, () => {
        const fd = fsSync.openSync(file, "r");
        return new NodeSyncReadFile(file, fd, fsSync.fstatSync(fd).size);
      }),
    listSync: (dir) => attemptSync("list", dir, () => fsSync.readdirSync(dir).sort(), []),
  };
}

async function attempt<T>(
  action: string,
  file: string,
  run: () => Promise<T>,
  ...ifMissing: [T] | []
): Promise<T> {
  try {
    return await run();
  } catch (e) {
    if (ifMissing.length === 1 && errorCode(e) === "ENOENT") return ifMissing[0];
    throw fileError(action, file, e);
  }
}

function attemptSync<T>(action: string, file: string, run: () => T, ...ifMissing: [T] | []): T {
  try {
    return run();
  } catch (e) {
    if (ifMissing.length === 1 && errorCode(e) === "ENOENT") return ifMissing[0];
    throw fileError(action, file, e);
  }
}

/** Kernels take at most 1024 buffers in one call. */
const MAX_WRITE_PARTS = 512;

class NodeAppendFile implements AppendFile {
  readonly #path: string;
  readonly #handle: fs.FileHandle;

  constructor(file: string, handle: fs.FileHandle) {
    this.#path = file;
    this.#handle = handle;
  }

  write(parts: readonly Uint8Array[], position: number): Promise<void> {
    return attempt("write", this.#path, async () => {
      let at = position;
      let pending = parts.filter((part) => part.length > 0);
      while (pending.length > 0) {
        const { bytesWritten } = await this.#handle.writev(pending.slice(0, MAX_WRITE_PARTS), at);
        if (bytesWritten === 0) throw new Error("the system wrote nothing");
        at += bytesWritten;
        pending = withoutFirst(pending, bytesWritten);
      }
    });
  }

  sync(): Promise<void> {
    return attempt("fsync", this.#path, () => this.#handle.datasync());
  }

  truncate(sizeBytes: number): Promise<void> {
    return attempt("truncate", this.#path, () => this.#handle.truncate(sizeBytes));
  }

  close(): Promise<void> {
    return attempt("close", this.#path, () => this.#handle.close());
  }
}

/** What is left of `parts` once their first `byteCount` bytes are written. */
function withoutFirst(parts: readonly Uint8Array[], byteCount: number): Uint8Array[] {
  let left = byteCount;
  let i = 0;
  for (; i < parts.length; i++) {
    const part = parts[i];
    if (part === undefined || part.length > left) break;
    left -= part.length;
  }
  const rest = parts.slice(i);
  if (left > 0 && rest[0] !== undefined) rest[0] = rest[0].subarray(left);
  return rest;
}

class NodeReadFile implements ReadFile {
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #handle: fs.FileHandle;

  constructor(file: string, handle: fs.FileHandle, sizeBytes: number) {
    this.#path = file;
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return attempt("read", this.#path, async () => {
      let count = 0;
      while (count < target.length) {
        const rest = target.length - count;
        const { bytesRead } = await this.#handle.read(target, count, rest, position + count);
        if (bytesRead === 0) break;
        count += bytesRead;
      }
      return count;
    });
  }

  close(): Promise<void> {
    return attempt("close", this.#path, () => this.#handle.close());
  }
}

class NodeSyncReadFile implements SyncReadFile {
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #fd: number;

  constructor(file: string, fd: number, sizeBytes: number) {
    this.#path = file;
    this.#fd = fd;
    this.sizeBytes = sizeBytes;
  }

  readSync(target: Uint8Array, position: number): number {
    return attemptSync("read", this.#path, () => {
      let count = 0;
      while (count < target.length) {
        const rest = target.length - count;
        const bytesRead = fsSync.readSync(this.#fd, target, count, rest, position + count);
        if (bytesRead === 0) break;
        count += bytesRead;
      }
      return count;
    });
  }

  closeSync(): void {
    attemptSync("close", this.#path, () => fsSync.closeSync(this.#fd));
  }
}

async function statOrUndefined(file: string): Promise<FileStat | undefined> {
  try {
    const stat = await fs.stat(file);
    return {
      sizeBytes: stat.size,
      modifiedUnixMs: stat.mtimeMs,
      isDirectory: stat.isDirectory(),
    };
  } catch (e) {
    if (errorCode(e) === "ENOENT" || errorCode(e) === "ENOTDIR") return undefined;
    throw e;
  }
}

async function readWhole(file: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await fs.open(file, "r");
  try {
    const { size } = await handle.stat();
    if (size > maxBytes) {
      throw new PintailError(
        "too_large",
        `${file} has ${size} bytes, at most ${maxBytes} are read`,
      );
    }
    const bytes = new Uint8Array(size);
    let count = 0;
    while (count < size) {
      const { bytesRead } = await handle.read(bytes, count, size - count, count);
      if (bytesRead === 0) break;
      count += bytesRead;
    }
    return bytes.subarray(0, count);
  } finally {
    await handle.close();
  }
}

async function writeAtomic(
  file: string,
  parts: Uint8Array | readonly Uint8Array[],
  mode: number,
): Promise<void> {
  const temporary = `${file}.tmp-${process.pid}-${crypto.randomUUID()}`;
  try {
    const handle = await fs.open(temporary, "wx", mode);
    try {
      // Each call goes on where the one before ended.
      for (const part of parts instanceof Uint8Array ? [parts] : parts)
        await handle.writeFile(part);
      await handle.sync();
    } finally {
      await handle.close();
    }
    reached("file:unnamed");
    await fs.rename(temporary, file);
  } catch (e) {
    await fs.unlink(temporary).catch(() => {});
    throw e;
  }
  await syncDir(path.dirname(file));
}

async function syncDir(dir: string): Promise<void> {
  // Windows cannot open a folder; its rename is durable by itself.
  if (process.platform === "win32") return;
  const handle = await fs.open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
