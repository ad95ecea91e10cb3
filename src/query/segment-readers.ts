import type { ReadFile } from "../drivers/files/files.ts";
import { isPintailError, PintailError } from "../errors.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import { SegmentLayout, SegmentReader } from "../storage/segments/read/segment-reader.ts";

export type SegmentReadersLimits = {
  readonly maxLayouts: number;
  readonly maxLayoutBytes: number;
};

/** A layout takes some 100 KiB, and a millisecond or two to be read again. */
const DEFAULT_LIMITS: SegmentReadersLimits = { maxLayouts: 256, maxLayoutBytes: 64 << 20 };

export type SegmentReadersParts = {
  readonly openFile: (meta: SegmentSummary, signal: AbortSignal) => Promise<ReadFile>;
  /** Told that the local bytes of a segment are damaged; whether it may be better the next time. */
  readonly onDamaged?: (meta: SegmentSummary) => Promise<boolean>;
};

/**
 * Reads rows of segments without the database. Remembers the footers of the segments used last, but
 * keeps no file open, so that the space of a deleted one is free at once.
 */
export class SegmentReaders {
  readonly #parts: SegmentReadersParts;
  readonly #limits: SegmentReadersLimits;
  /** Least recently used first. */
  readonly #layouts = new Map<string, SegmentLayout>();
  #layoutBytes = 0;

  constructor(parts: SegmentReadersParts, limits: SegmentReadersLimits = DEFAULT_LIMITS) {
    this.#parts = parts;
    this.#limits = limits;
  }

  /**
   * What `work` makes of a reader of the segment; `undefined` when the file is gone or is not one
   * that the reader knows: the database is to be asked then. Rejects with `corrupt`, naming the
   * segment, when it is damaged, which the database would not notice. Other errors pass through.
   */
  async attempt<T>(
    meta: SegmentSummary,
    work: (reader: SegmentReader) => Promise<T>,
    signal: AbortSignal = NEVER,
  ): Promise<{ readonly result: T } | undefined> {
    try {
      return await this.#attempt(meta, work, signal);
    } catch (error) {
      if (!isPintailError(error, "corrupt")) throw error;
      if ((await this.#parts.onDamaged?.(meta)) !== true) throw damaged(meta, error);
    }
    try {
      return await this.#attempt(meta, work, signal);
    } catch (error) {
      throw isPintailError(error, "corrupt") ? damaged(meta, error) : error;
    }
  }

  async #attempt<T>(
    meta: SegmentSummary,
    work: (reader: SegmentReader) => Promise<T>,
    signal: AbortSignal,
  ): Promise<{ readonly result: T } | undefined> {
    try {
      const file = await this.#parts.openFile(meta, signal);
      try {
        return { result: await work(await this.#reader(meta, file)) };
      } finally {
        await file.close();
      }
    } catch (error) {
      this.#forget(keyOf(meta));
      if (isPintailError(error, "unsupported") || isPintailError(error, "not_found")) {
        return undefined;
      }
      throw error;
    }
  }

  async #reader(meta: SegmentSummary, file: ReadFile): Promise<SegmentReader> {
    const readAt = async (offset: number, length: number): Promise<Uint8Array> => {
      const target = new Uint8Array(length);
      const count = await file.read(target, offset);
      return target.subarray(0, count);
    };
    const key = keyOf(meta);
    const layout = this.#layouts.get(key) ?? (await SegmentLayout.load(readAt, file.sizeBytes));
    this.#forget(key);
    this.#layouts.set(key, layout);
    this.#layoutBytes += layout.memoryBytes;
    for (const oldest of this.#layouts.keys()) {
      const { maxLayouts, maxLayoutBytes } = this.#limits;
      if (this.#layouts.size <= maxLayouts && this.#layoutBytes <= maxLayoutBytes) break;
      this.#forget(oldest);
    }
    return new SegmentReader(layout, readAt);
  }

  #forget(key: string): void {
    const layout = this.#layouts.get(key);
    if (layout === undefined) return;
    this.#layouts.delete(key);
    this.#layoutBytes -= layout.memoryBytes;
  }
}

export function damaged({ id, tenant }: SegmentSummary, cause: PintailError): PintailError {
  return new PintailError("corrupt", `segment ${id} (tenant ${tenant}) is damaged`, { cause });
}

const NEVER = new AbortController().signal;

/** A segment's file never changes. */
function keyOf(meta: SegmentSummary): string {
  return `${meta.tenant}/${meta.id}`;
}
