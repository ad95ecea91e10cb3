import { type Files, joinPath } from "../../drivers/files/files.ts";
import type { WalRange } from "../../schema/segment-meta.ts";
import { lsnHex, walFileName, walFirstLsns } from "./wal-format.ts";

const COPY_BYTES = 1024 * 1024;

/**
 * Folder beside the WAL files for bytes that could not be used, so that nothing acknowledged is
 * dropped without a trace: `<lsn>.bin` holds them as they were, `<lsn>.txt` says why. Best effort:
 * a full disk must not keep Pintail from starting, so failures are only counted.
 */
export class Quarantine {
  readonly #files: Files;
  readonly #walDir: string;
  readonly #dir: string;
  readonly #maxBytes: number;
  #usedBytes: number | undefined;
  #savedBytes = 0;
  #savedCount = 0;
  #foundCount = 0;
  #failedCount = 0;

  constructor(files: Files, walDir: string, maxBytes: number) {
    this.#files = files;
    this.#walDir = walDir;
    this.#dir = joinPath(walDir, "quarantine");
    this.#maxBytes = maxBytes;
  }

  /** Counts what earlier processes put aside; a folder that cannot be read counts as empty. */
  async open(): Promise<void> {
    const names = await this.#files.list(this.#dir).catch(() => []);
    this.#foundCount = names.filter((name) => name.endsWith(".bin")).length;
  }

  /** Pieces put aside since the start, and pieces that could not be; `kept`: also those of before. */
  get counts(): { saved: number; savedBytes: number; failed: number; kept: number } {
    return {
      kept: this.#foundCount + this.#savedCount,
      saved: this.#savedCount,
      savedBytes: this.#savedBytes,
      failed: this.#failedCount,
    };
  }

  async saveBytes(lsn: number, bytes: Uint8Array, reason: string): Promise<void> {
    await this.#save(lsn, bytes.length, reason, async (write) => write(bytes));
  }

  /** Copies a range that lies in one WAL file. */
  async saveRange({ from, to }: WalRange, reason: string): Promise<void> {
    await this.#save(from, to - from, reason, async (write) => {
      const firstLsn = walFirstLsns(await this.#files.list(this.#walDir)).findLast(
        (lsn) => lsn <= from,
      );
      if (firstLsn === undefined) return;
      const file = await this.#files.openRead(joinPath(this.#walDir, walFileName(firstLsn)));
      try {
        for (let at = from; at < to; at += COPY_BYTES) {
          const piece = new Uint8Array(Math.min(COPY_BYTES, to - at));
          const count = await file.read(piece, at - firstLsn);
          await write(piece.subarray(0, count));
        }
      } finally {
        await file.close();
      }
    });
  }

  async #save(
    lsn: number,
    byteCount: number,
    reason: string,
    copy: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const path = joinPath(this.#dir, lsnHex(lsn));
    try {
      await this.#files.mkdir(this.#dir);
      // The same damage is met again at every start until its file is released.
      if ((await this.#files.stat(`${path}.bin`)) !== undefined) return;
      this.#usedBytes ??= await this.#measure();
      if (this.#usedBytes + byteCount > this.#maxBytes) {
        throw new Error(`quarantine is full (${this.#maxBytes} bytes)`);
      }
      const file = await this.#files.openAppend(`${path}.bin`);
      let position = 0;
      try {
        await copy(async (bytes) => {
          await file.write([bytes], position);
          position += bytes.length;
        });
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#files.writeFileAtomic(`${path}.txt`, new TextEncoder().encode(`${reason}\n`));
      this.#usedBytes += position;
      this.#savedBytes += position;
      this.#savedCount++;
    } catch {
      this.#failedCount++;
      await this.#files.unlink(`${path}.bin`).catch(() => {});
    }
  }

  async #measure(): Promise<number> {
    let bytes = 0;
    for (const name of await this.#files.list(this.#dir)) {
      bytes += (await this.#files.stat(joinPath(this.#dir, name)))?.sizeBytes ?? 0;
    }
    return bytes;
  }
}
