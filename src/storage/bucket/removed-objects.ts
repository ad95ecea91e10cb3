import type { Files } from "../../drivers/files/files.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";

export type RemovedObjectsParts = {
  readonly files: Files;
  /** Of the file that keeps them over a restart. */
  readonly path: string;
  readonly log: Logger;
  readonly nowMs: () => number;
};

/** An upload that was given up may still arrive for some time. */
const REMEMBER_MS = 2 * 24 * 3_600_000;
const MAX_REMEMBERED = 50_000;
const MAX_FILE_BYTES = 8 * 1024 * 1024;
const SEGMENT_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/** Segments whose objects were deleted in the last two days, the newest 50,000 of them. */
export class RemovedObjects {
  readonly #parts: RemovedObjectsParts;
  /** When (Unix milliseconds), oldest first. */
  readonly #removed = new Map<string, number>();
  /** So many were added since the file was written. */
  #unsaved = 0;
  #saving: Promise<void> = Promise.resolve();

  /** A file that cannot be read is passed over: the sweep reports more than it would delete then. */
  static async open(parts: RemovedObjectsParts): Promise<RemovedObjects> {
    const opened = new RemovedObjects(parts);
    try {
      const bytes = await parts.files.readFile(parts.path, MAX_FILE_BYTES);
      for (const [id, atMs] of parseRemoved(bytes)) opened.#removed.set(id, atMs);
      opened.#dropOld();
    } catch (error) {
      if (!isPintailError(error, "not_found")) {
        parts.log.warn("list of deleted objects not read", { path: parts.path, error });
      }
    }
    return opened;
  }

  private constructor(parts: RemovedObjectsParts) {
    this.#parts = parts;
  }

  has(id: string): boolean {
    return this.#removed.has(id);
  }

  add(id: string): void {
    this.#removed.delete(id);
    this.#removed.set(id, this.#parts.nowMs());
    this.#unsaved++;
    this.#dropOld();
  }

  /** Resolves when the file has all that was added before the call. Errors of the disk pass through. */
  save(): Promise<void> {
    const saved = this.#saving.then(() => this.#save());
    this.#saving = saved.catch(() => {});
    return saved;
  }

  async #save(): Promise<void> {
    const count = this.#unsaved;
    if (count === 0) return;
    const { files, path } = this.#parts;
    await files.writeFileAtomic(
      path,
      new TextEncoder().encode(`${JSON.stringify([...this.#removed])}\n`),
    );
    this.#unsaved -= count;
  }

  #dropOld(): void {
    const now = this.#parts.nowMs();
    for (const [oldest, atMs] of this.#removed) {
      if (this.#removed.size <= MAX_REMEMBERED && now - atMs < REMEMBER_MS) break;
      this.#removed.delete(oldest);
    }
  }
}

function parseRemoved(bytes: Uint8Array): [string, number][] {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (Array.isArray(value) && value.every(isRemoved)) return value;
  throw new PintailError("corrupt", "it does not hold ids and times");
}

function isRemoved(value: unknown): value is [string, number] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [id, atMs] = value as unknown[];
  return typeof id === "string" && SEGMENT_ID.test(id) && Number.isFinite(atMs);
}
