import { type AppendFile, type Files, joinPath } from "../../drivers/files/files.ts";
import { reached } from "../../runtime/failpoints.ts";
import type { Lsn } from "../../schema/segment-meta.ts";
import { walFileName } from "./wal-format.ts";

type OpenFile = { readonly firstLsn: Lsn; readonly handle: AppendFile; endLsn: Lsn };

/** What a failed write left behind. */
export type Aftermath = "clean" | "leftovers";

/** The files of the WAL: where a group of records is written, and what happens when that fails. */
export class WalWriter {
  readonly #files: Files;
  readonly #dir: string;
  readonly #maxFileBytes: number;
  /** Ascending; the one being written is the last. */
  #positions: { firstLsn: Lsn; endLsn: Lsn }[];
  #current: OpenFile | undefined;
  #rolls = false;

  constructor(
    files: Files,
    dir: string,
    maxFileBytes: number,
    positions: readonly { readonly firstLsn: Lsn; readonly endLsn: Lsn }[],
  ) {
    this.#files = files;
    this.#dir = dir;
    this.#maxFileBytes = maxFileBytes;
    this.#positions = positions.map((position) => ({ ...position }));
  }

  get fileCount(): number {
    return this.#positions.length;
  }

  /** Where the oldest file begins; `undefined` without files. */
  get oldestLsn(): Lsn | undefined {
    return this.#positions[0]?.firstLsn;
  }

  /** The next write begins a new file. */
  roll(): void {
    this.#rolls = true;
  }

  get bytes(): number {
    return this.#positions.reduce((sum, { firstLsn, endLsn }) => sum + endLsn - firstLsn, 0);
  }

  /** Writes and syncs bytes that begin at `lsn`, which is never before the end of the last write. */
  async write(parts: readonly Uint8Array[], lsn: Lsn, endLsn: Lsn): Promise<void> {
    const file = await this.#fileFor(lsn);
    await file.handle.write(parts, lsn - file.firstLsn);
    reached("wal:written");
    await file.handle.sync();
    reached("wal:synced");
    file.endLsn = endLsn;
    const position = this.#positions.at(-1);
    if (position !== undefined) position.endLsn = endLsn;
  }

  /**
   * After a failed write: takes the group's bytes off again. The next write goes to a new file,
   * since after a failed fsync nobody knows what of this one the kernel still holds.
   */
  async discard(): Promise<Aftermath> {
    const file = this.#current;
    this.#current = undefined;
    if (file === undefined) return "clean";
    try {
      if (file.endLsn > file.firstLsn) {
        await file.handle.truncate(file.endLsn - file.firstLsn);
        await file.handle.sync();
      } else {
        await this.#files.unlink(this.#path(file.firstLsn));
        this.#positions.pop();
        // Else a power loss could bring it back.
        await this.#files.syncDir(this.#dir);
      }
      return "clean";
    } catch {
      return "leftovers";
    } finally {
      await file.handle.close().catch(() => {});
    }
  }

  /** Removes the files that hold nothing at or after `before`; the last one stays. */
  async release(before: Lsn): Promise<void> {
    for (;;) {
      const [first, second] = this.#positions;
      if (first === undefined || second === undefined || second.firstLsn > before) return;
      await this.#files.unlink(this.#path(first.firstLsn));
      this.#positions = this.#positions.filter((position) => position !== first);
    }
  }

  async close(): Promise<void> {
    const file = this.#current;
    this.#current = undefined;
    await file?.handle.close();
  }

  async #fileFor(lsn: Lsn): Promise<OpenFile> {
    const current = this.#current;
    if (current !== undefined) {
      const fits = current.endLsn === lsn && lsn - current.firstLsn < this.#maxFileBytes;
      // An empty one is new enough, and two cannot begin at one place.
      if (fits && (!this.#rolls || current.firstLsn === lsn)) return current;
      this.#current = undefined;
      // Everything in it is synced; a failed close loses nothing.
      await current.handle.close().catch(() => {});
    }
    const path = this.#path(lsn);
    const handle = await this.#files.openAppend(path, { exclusive: true });
    const file = { firstLsn: lsn, handle, endLsn: lsn };
    this.#current = file;
    this.#rolls = false;
    this.#positions.push({ firstLsn: lsn, endLsn: lsn });
    await this.#files.syncDir(this.#dir);
    return file;
  }

  #path(firstLsn: Lsn): string {
    return joinPath(this.#dir, walFileName(firstLsn));
  }
}
