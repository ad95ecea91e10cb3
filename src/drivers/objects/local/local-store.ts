import { PintailError } from "../../../errors.ts";
import { fileError } from "../../files/file-error.ts";
import { type AppendFile, type FileStat, type Files, joinPath } from "../../files/files.ts";
import { checkKey, checkListPrefix } from "../object-key.ts";
import {
  type ByteRange,
  type GetOptions,
  type ListOptions,
  MAX_LIST_KEYS,
  MAX_REPLACE_BYTES,
  type ObjectBody,
  type ObjectContent,
  type ObjectInfo,
  type ObjectPage,
  type ObjectStore,
  type PutOptions,
  type PutResult,
  type RangesContent,
  type ReadOptions,
  type ReplaceOptions,
  type ReplaceResult,
  type RequestOptions,
} from "../object-store.ts";
import { checkRanges } from "../ranges.ts";
import { RequestLimiter } from "../request-limiter.ts";
import type { LocalStoreSettings } from "../settings.ts";
import type { ObjectOperation, ObjectStoreParts } from "../store-parts.ts";
import { KeyLocks } from "./key-locks.ts";
import { listFolder } from "./list-folder.ts";

/** Files that are being written; no key begins with a dot. What is left of a crash goes at `open`. */
const INCOMING = ".incoming";
const COPY_BYTES = 1024 * 1024;
/** Few, so that other users of the runtime's file threads are not kept waiting. */
const MAX_REQUESTS = 16;
/** Longer than the coarsest clock that a file system takes its times from. */
const CLOCK_STEP_MS = 10;
const MAX_CLOCK_STEPS = 100;

/**
 * Objects as files of the same names. A file is written aside, synced and renamed, so an object is
 * whole or not there, also across a crash. One process uses the folder at a time (the data folder's
 * lock sees to that), which is what makes `ifAbsent` and `replace` exact.
 */
export class LocalStore implements ObjectStore {
  readonly backend = "local";
  readonly location: string;
  readonly #files: Files;
  readonly #parts: ObjectStoreParts;
  readonly #root: string;
  readonly #limiter = new RequestLimiter(MAX_REQUESTS);
  readonly #locks = new KeyLocks();

  static async open(
    files: Files,
    parts: ObjectStoreParts,
    settings: LocalStoreSettings,
  ): Promise<LocalStore> {
    const incoming = joinPath(settings.path, INCOMING);
    await files.mkdir(incoming);
    for (const name of await files.list(incoming)) await files.unlink(joinPath(incoming, name));
    return new LocalStore(files, parts, settings);
  }

  private constructor(files: Files, parts: ObjectStoreParts, settings: LocalStoreSettings) {
    this.#files = files;
    this.#parts = parts;
    this.#root = settings.path;
    this.location = `${settings.path}/`;
  }

  async put(key: string, body: ObjectBody, { ifAbsent, signal }: PutOptions): Promise<PutResult> {
    checkKey(key);
    const sizeBytes = body instanceof Uint8Array ? body.length : body.sizeBytes;
    return this.#request("put", signal, { sent: sizeBytes }, () =>
      this.#locks.hold(key, async () => {
        const found = ifAbsent ? await this.#info(key) : undefined;
        if (found !== undefined) return { outcome: "exists", info: found };
        return { outcome: "stored", info: await this.#write(key, body, signal) };
      }),
    );
  }

  async get(key: string, options: GetOptions): Promise<ObjectContent> {
    checkKey(key);
    return this.#request("get", options.signal, {}, async (moved) => {
      const before = await this.#expected(key, options);
      const bytes = await this.#files.readFile(this.#path(key), options.maxBytes);
      if (bytes.length !== before.sizeBytes) throw changed(key, "while it was read");
      moved.received = bytes.length;
      return { info: before, bytes };
    });
  }

  async getRanges(
    key: string,
    ranges: readonly ByteRange[],
    options: ReadOptions,
  ): Promise<RangesContent> {
    checkKey(key);
    checkRanges(ranges);
    return this.#request("get", options.signal, {}, async (moved) => {
      const info = await this.#expected(key, options);
      const file = await this.#files.openRead(this.#path(key));
      try {
        if (file.sizeBytes !== info.sizeBytes) throw changed(key, "while it was read");
        const parts: Uint8Array[] = [];
        for (const { start, end } of ranges) {
          throwIfAborted(options.signal);
          if (end > info.sizeBytes) {
            throw changed(key, `it has ${info.sizeBytes} bytes, asked for ${start}-${end}`);
          }
          const bytes = new Uint8Array(end - start);
          if ((await file.read(bytes, start)) !== bytes.length) {
            throw changed(key, "it ends early");
          }
          moved.received += bytes.length;
          parts.push(bytes);
        }
        return { info, parts };
      } finally {
        await file.close();
      }
    });
  }

  async head(key: string, { signal }: RequestOptions): Promise<ObjectInfo | undefined> {
    checkKey(key);
    return this.#request("head", signal, {}, () => this.#info(key));
  }

  async delete(key: string, { signal }: RequestOptions): Promise<void> {
    checkKey(key);
    await this.#request("delete", signal, {}, () =>
      this.#locks.hold(key, async () => {
        if ((await this.#info(key)) === undefined) return;
        await this.#files.unlink(this.#path(key));
        await this.#files.syncDir(folderOf(this.#path(key)));
      }),
    );
  }

  async list({ prefix, delimiter, maxKeys, page, signal }: ListOptions): Promise<ObjectPage> {
    checkListPrefix(prefix);
    const limit = Math.min(Math.max(1, maxKeys ?? MAX_LIST_KEYS), MAX_LIST_KEYS);
    return this.#request("list", signal, {}, async () => {
      const listed = await listFolder(this.#files, this.#root, {
        prefix,
        delimiter,
        limit,
        after: page,
        signal,
      });
      return {
        objects: listed.files.map(({ key, stat }) => ({
          ...infoOf(key, stat),
          modifiedUnixMs: Math.floor(stat.modifiedUnixMs),
        })),
        prefixes: listed.prefixes,
        nextPage: listed.next,
      };
    });
  }

  async replace(key: string, bytes: Uint8Array, options: ReplaceOptions): Promise<ReplaceResult> {
    checkKey(key);
    if (bytes.length > MAX_REPLACE_BYTES) {
      throw new PintailError(
        "too_large",
        `${bytes.length} bytes to replace ${key} with, at most ${MAX_REPLACE_BYTES}`,
      );
    }
    return this.#request("put", options.signal, { sent: bytes.length }, () =>
      this.#locks.hold(key, async () => {
        const found = await this.#info(key);
        if (found?.version !== options.ifVersion) return { outcome: "conflict" };
        return { outcome: "replaced", info: await this.#write(key, bytes, options.signal) };
      }),
    );
  }

  async close(): Promise<void> {}

  /** Under the key's lock. */
  async #write(key: string, body: ObjectBody, signal: AbortSignal): Promise<ObjectInfo> {
    const target = this.#path(key);
    const before = await this.#files.stat(target);
    const folder = folderOf(target);
    const temporary = joinPath(this.#root, INCOMING, this.#parts.newId());
    try {
      const stat = await this.#writeLater(temporary, body, before, signal);
      await this.#files.mkdir(folder);
      await this.#files.rename(temporary, target);
      // A folder that was just made is durable only with those above it.
      for (const dir of foldersBetween(this.#root, folder)) await this.#files.syncDir(dir);
      return infoOf(key, stat);
    } catch (e) {
      await this.#files.unlink(temporary).catch(() => {});
      throw e;
    }
  }

  /** A version is size and time of change: the time must be later than the one that is replaced. */
  async #writeLater(
    temporary: string,
    body: ObjectBody,
    before: FileStat | undefined,
    signal: AbortSignal,
  ): Promise<FileStat> {
    for (let step = 0; step < MAX_CLOCK_STEPS; step++) {
      await this.#copy(temporary, body, signal);
      const stat = await this.#files.stat(temporary);
      if (stat === undefined) throw new Error(`${temporary} vanished`);
      if (before === undefined || stat.modifiedUnixMs > before.modifiedUnixMs) return stat;
      await new Promise((resolve) => setTimeout(resolve, CLOCK_STEP_MS));
      await this.#files.unlink(temporary);
    }
    throw fileError("write", temporary, new Error("the file system's clock stands still"));
  }

  async #copy(path: string, body: ObjectBody, signal: AbortSignal): Promise<void> {
    const file = await this.#files.openAppend(path, { exclusive: true });
    try {
      if (body instanceof Uint8Array) await file.write([body], 0);
      else await copySource(file, body, path, signal);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #info(key: string): Promise<ObjectInfo | undefined> {
    const stat = await this.#files.stat(this.#path(key));
    return stat === undefined || stat.isDirectory ? undefined : infoOf(key, stat);
  }

  async #expected(key: string, { version, sizeBytes }: ReadOptions): Promise<ObjectInfo> {
    const info = await this.#info(key);
    if (info === undefined) throw new PintailError("not_found", `cannot read ${this.#path(key)}`);
    if (sizeBytes !== undefined && info.sizeBytes !== sizeBytes) {
      throw changed(key, `it has ${info.sizeBytes} bytes, expected ${sizeBytes}`);
    }
    if (version !== undefined && info.version !== version) {
      throw changed(key, `version is ${info.version}, expected ${version}`);
    }
    return info;
  }

  #path(key: string): string {
    return joinPath(this.#root, key);
  }

  #request<T>(
    operation: ObjectOperation,
    signal: AbortSignal,
    size: { readonly sent?: number },
    run: (moved: { received: number }) => Promise<T>,
  ): Promise<T> {
    return this.#limiter.run(signal, async () => {
      const from = this.#parts.clock.monotonicMs();
      const moved = { received: 0 };
      const observe = (outcome: "ok" | "missing" | "error") =>
        this.#parts.onRequest({
          operation,
          outcome,
          durationMs: this.#parts.clock.monotonicMs() - from,
          sentBytes: size.sent ?? 0,
          receivedBytes: moved.received,
        });
      try {
        const result = await run(moved);
        observe("ok");
        return result;
      } catch (e) {
        observe(e instanceof PintailError && e.kind === "not_found" ? "missing" : "error");
        throw e;
      }
    });
  }
}

async function copySource(
  file: AppendFile,
  source: Exclude<ObjectBody, Uint8Array>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(COPY_BYTES, source.sizeBytes));
  for (let at = 0; at < source.sizeBytes; ) {
    throwIfAborted(signal);
    const part = buffer.subarray(0, Math.min(buffer.length, source.sizeBytes - at));
    if ((await source.read(part, at)) !== part.length) {
      throw new Error(`write ${path}: the body ends before its ${source.sizeBytes} bytes`);
    }
    await file.write([part], at);
    at += part.length;
  }
}

function infoOf(key: string, stat: FileStat): ObjectInfo {
  return { key, sizeBytes: stat.sizeBytes, version: `${stat.sizeBytes}-${stat.modifiedUnixMs}` };
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** `folder` and those above it up to `root`, which is one of them. */
function foldersBetween(root: string, folder: string): string[] {
  const folders = [folder];
  let dir = folder;
  while (dir.length > root.length) {
    dir = folderOf(dir);
    folders.push(dir);
  }
  return folders;
}

function changed(key: string, how: string): PintailError {
  return new PintailError("corrupt", `object ${key} is not what it was: ${how}`);
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new PintailError("canceled", "canceled");
}
