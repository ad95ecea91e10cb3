import type { ReadFile } from "../drivers/files/files.ts";
import { isPintailError } from "../errors.ts";
import type { SegmentMeta } from "../schema/segment-meta.ts";
import { isUnreadable } from "../storage/segments/read/read-error.ts";
import { SegmentLayout, SegmentReader } from "../storage/segments/read/segment-reader.ts";

export type SegmentReadersLimits = {
  readonly maxLayouts: number;
  readonly maxLayoutBytes: number;
};

/** A layout takes some 100 KiB, and a millisecond or two to be read again. */
const DEFAULT_LIMITS: SegmentReadersLimits = { maxLayouts: 256, maxLayoutBytes: 64 << 20 };

/**
 * Reads rows of segments without the database. Remembers the footers of the segments used last, but
 * keeps no file open, so that the space of a deleted one is free at once.
 */
export class SegmentReaders {
  readonly #openFile: (meta: SegmentMeta, signal: AbortSignal) => Promise<ReadFile>;
  readonly #limits: SegmentReadersLimits;
  /** Least recently used first. */
  readonly #layouts = new Map<string, SegmentLayout>();
  #layoutBytes = 0;

  constructor(
    openFile: (meta: SegmentMeta, signal: AbortSignal) => Promise<ReadFile>,
    limits: SegmentReadersLimits = DEFAULT_LIMITS,
  ) {
    this.#openFile = openFile;
    this.#limits = limits;
  }

  /**
   * What `work` makes of a reader of the segment; `undefined` when the file is gone or is not one
   * that the reader knows: the database is to be asked then. Other errors pass through.
   */
  async attempt<T>(
    meta: SegmentMeta,
    work: (reader: SegmentReader) => Promise<T>,
    signal: AbortSignal = NEVER,
  ): Promise<{ readonly result: T } | undefined> {
    try {
      const file = await this.#openFile(meta, signal);
      try {
        return { result: await work(await this.#reader(meta, file)) };
      } finally {
        await file.close();
      }
    } catch (error) {
      if (!isUnreadable(error) && !isPintailError(error, "not_found")) throw error;
      this.#forget(keyOf(meta));
      return undefined;
    }
  }

  async #reader(meta: SegmentMeta, file: ReadFile): Promise<SegmentReader> {
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

const NEVER = new AbortController().signal;

/** A segment's file never changes. */
function keyOf(meta: SegmentMeta): string {
  return `${meta.tenant}/${meta.id}`;
}
