import { unsupported } from "../read/read-error.ts";
import type { ColumnNumbers, SameColumns } from "./same-columns.ts";

/** Ours have at most 256 KiB of bits. */
const MAX_FILTER_BYTES = 1 << 19;
/** Of one segment; ours have a hundred or a thousand, of 12 bytes each. */
export const MAX_PLACES = 1 << 16;
/** Ours have some 130 that may have filters. */
const MAX_COLUMNS = 1024;

export type FilterPlace = {
  readonly offset: number;
  readonly length: number;
  /** CRC-32 of its bytes; undefined in files of older versions. */
  readonly crc: number | undefined;
};

export type FoundFilter = {
  readonly column: string;
  readonly group: number;
  readonly offset: number;
  readonly length: number;
};

export type FoundFilters = {
  /** Of flat columns, by row group and column. */
  readonly found: readonly FoundFilter[];
  readonly groupCount: number;
  /** Of each of `found`; undefined in files of older versions. */
  readonly checksums: readonly number[] | undefined;
};

/** Where a segment's bloom filters lie. */
export class FilterPlaces {
  readonly groupCount: number;
  /** About what it takes of memory. */
  readonly memoryBytes: number;
  /** Segments with the same columns share one. */
  readonly #columns: ColumnNumbers;
  /** By column and row group: distance from the first filter, length, CRC-32; no length, no filter. */
  readonly #table: Uint32Array;
  readonly #first: number;
  readonly #hasChecksums: boolean;

  /** Throws `unsupported` when there are too many. */
  constructor({ found, groupCount, checksums }: FoundFilters, sameColumns: SameColumns) {
    const names = [...new Set(found.map(({ column }) => column))];
    if (names.length > MAX_COLUMNS || names.length * groupCount > MAX_PLACES) {
      throw unsupported(`filters of ${names.length} columns and ${groupCount} row groups`);
    }
    this.groupCount = groupCount;
    this.#columns = sameColumns.of(names);
    this.#first = found.reduce((least, { offset }) => Math.min(least, offset), 2 ** 53);
    this.#hasChecksums = checksums !== undefined;
    this.#table = new Uint32Array(3 * this.#columns.size * groupCount);
    for (const [i, { column, group, offset, length }] of found.entries()) {
      const distance = offset - this.#first;
      if (length > MAX_FILTER_BYTES || distance > 0xffffffff) continue;
      this.#table.set([distance, length, checksums?.[i] ?? 0], this.#at(column, group));
    }
    this.memoryBytes = 256 + this.#table.byteLength;
  }

  /** Whether some row group has a filter of the column. */
  has(column: string): boolean {
    return this.#columns.has(column);
  }

  /** By row group; undefined where there is none. */
  of(column: string): readonly (FilterPlace | undefined)[] {
    return Array.from({ length: this.groupCount }, (_, group) => {
      const at = this.#at(column, group);
      const [distance = 0, length = 0, crc] = this.#table.subarray(at, at + 3);
      if (length === 0) return undefined;
      return { offset: this.#first + distance, length, crc: this.#hasChecksums ? crc : undefined };
    });
  }

  #at(column: string, group: number): number {
    return 3 * ((this.#columns.get(column) ?? this.#columns.size) * this.groupCount + group);
  }
}
