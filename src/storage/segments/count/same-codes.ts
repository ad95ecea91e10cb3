import type { ByteSource } from "../read/byte-source.ts";
import { MAX_HEADER_BYTES, PageKind, readPageHeader } from "../read/page-header.ts";
import type { ChunkPlace } from "../read/read-footer.ts";

type Counted = {
  readonly entryCount: number;
  readonly maxDef: number;
  readonly stored: Uint8Array;
  readonly cells: Uint32Array;
};

const KEPT = 16;
const MAX_KEPT_CELLS = 1 << 16;

/** A chunk's pages behind its dictionary, as they are stored. */
export type StoredPages = { readonly entryCount: number; readonly stored: Uint8Array };

/**
 * Of one row group the chunks whose codes were counted. Columns that tell the same by other words, as
 * those of a resource do, have the same pages behind their dictionaries.
 */
export class SameCodes {
  #counted: Counted[] = [];

  find({ entryCount, stored }: StoredPages, maxDef: number): Uint32Array | undefined {
    return this.#counted.find(
      (known) =>
        known.entryCount === entryCount && known.maxDef === maxDef && isEqual(known.stored, stored),
    )?.cells;
  }

  /** The cells must not change any more. */
  add({ entryCount, stored }: StoredPages, maxDef: number, cells: Uint32Array): void {
    if (cells.length > MAX_KEPT_CELLS) return;
    this.#counted = [{ entryCount, maxDef, stored, cells }, ...this.#counted.slice(0, KEPT - 1)];
  }
}

/** `undefined` for a chunk without a dictionary, and for one that is not at hand. */
export function storedPages(source: ByteSource, chunk: ChunkPlace): StoredPages | undefined {
  const length = chunk.end - chunk.start;
  const bytes = source.at(chunk.start, length);
  if (!(bytes instanceof Uint8Array) || length === 0) return undefined;
  const header = readPageHeader(bytes.subarray(0, MAX_HEADER_BYTES));
  if (header.kind !== PageKind.dictionary) return undefined;
  const stored = bytes.subarray(header.headerBytes + header.storedBytes);
  return { entryCount: header.valueCount, stored };
}

export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
