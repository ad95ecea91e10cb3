import { CHECKSUMS_KEY, decodeChecksums, isChecked } from "../checksums.ts";
import { readKeyValues } from "../parquet/key-values.ts";
import { ThriftReader } from "../parquet/thrift-reader.ts";
import { ThriftType } from "../parquet/thrift-writer.ts";
import { corrupt, unsupported } from "../read/read-error.ts";
import { readCount } from "../read/read-thrift.ts";

/** Ours have at most 256 KiB of bits. */
const MAX_FILTER_BYTES = 1 << 19;
/** Of one segment; ours have a hundred or a thousand, of 12 bytes each. */
const MAX_PLACES = 1 << 16;
/** Ours have some 130 that may have filters, of at most 137 bytes. */
const MAX_COLUMNS = 1024;
const MAX_COLUMN_BYTES = 256;

export type FilterPlace = {
  readonly offset: number;
  readonly length: number;
  /** CRC-32 of its bytes; undefined in files of older versions. */
  readonly crc: number | undefined;
};

/**
 * Where a segment's bloom filters lie, and no more: some hundred bytes where a footer in memory takes
 * a hundred times that.
 */
export class FilterPlaces {
  readonly groupCount: number;
  /** About what it takes of memory. */
  readonly memoryBytes: number;
  /** Column → its number. Segments with the same columns share one. */
  readonly #columns: ReadonlyMap<string, number>;
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

/** Segments of the same senders have the same columns: names would be most of what is held. */
export class SameColumns {
  /** Made first, first. */
  readonly #known = new Map<string, ReadonlyMap<string, number>>();

  of(names: readonly string[]): ReadonlyMap<string, number> {
    const key = names.join("\n");
    let found = this.#known.get(key);
    if (found === undefined) {
      found = new Map(names.map((name, number) => [name, number]));
      this.#known.set(key, found);
      const [oldest] = this.#known.keys();
      if (this.#known.size > MAX_KNOWN_COLUMNS) this.#known.delete(oldest!);
    }
    return found;
  }
}

const MAX_KNOWN_COLUMNS = 16;

type FoundFilter = {
  readonly column: string;
  readonly group: number;
  readonly offset: number;
  readonly length: number;
};

type FoundFilters = {
  /** Of flat columns, by row group and column. */
  readonly found: readonly FoundFilter[];
  readonly groupCount: number;
  /** Of each of `found`; undefined in files of older versions. */
  readonly checksums: readonly number[] | undefined;
};

const KEYS: ReadonlySet<string> = new Set([CHECKSUMS_KEY]);

/**
 * The places of the filters in a footer (FileMetaData) of a segment whose data ends at `dataEnd`.
 * Looks at nothing else in it, which takes half of the time. Throws `corrupt` and `unsupported`.
 */
export function readFilterPlaces(
  footer: Uint8Array,
  dataEnd: number,
  sameColumns: SameColumns,
): FilterPlaces {
  const hasChecksums = isChecked(footer);
  const reader = new ThriftReader(footer);
  let groups: GroupsReader | undefined;
  let list: Uint8Array | undefined;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    if (reader.fieldId === 4 && type === ThriftType.list) {
      groups = new GroupsReader(reader, footer, dataEnd);
    } else if (reader.fieldId === 5 && type === ThriftType.list) {
      list = readKeyValues(reader, KEYS).get(CHECKSUMS_KEY);
    } else reader.skip(type);
  }
  if (groups === undefined) throw corrupt("a footer without row groups");
  if (hasChecksums !== (list !== undefined)) throw corrupt("some checksums are missing");
  const crcs = list && decodeChecksums(list, groups.chunkCount + groups.filterCount);
  const { chunkCount, found, numbers } = groups;
  const checksums = crcs && numbers.map((number) => crcs[chunkCount + number]!);
  return new FilterPlaces({ found, groupCount: groups.groupCount, checksums }, sameColumns);
}

/** Reads the list of row groups that `reader` stands in front of. */
class GroupsReader {
  readonly groupCount: number;
  readonly found: FoundFilter[] = [];
  /** Of each of `found`, its number among all filters. */
  readonly numbers: number[] = [];
  chunkCount = 0;
  filterCount = 0;
  readonly #reader: ThriftReader;
  readonly #footer: Uint8Array;
  readonly #dataEnd: number;

  constructor(reader: ThriftReader, footer: Uint8Array, dataEnd: number) {
    this.#reader = reader;
    this.#footer = footer;
    this.#dataEnd = dataEnd;
    const { count, type } = reader.beginList();
    if (type !== ThriftType.struct) throw corrupt("row groups are no list");
    this.groupCount = count;
    for (let group = 0; group < count; group++) this.#readGroup(group);
  }

  #readGroup(group: number): void {
    const reader = this.#reader;
    reader.beginStruct();
    for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
      if (reader.fieldId !== 1 || type !== ThriftType.list) {
        reader.skip(type);
        continue;
      }
      const chunks = reader.beginList();
      if (chunks.type !== ThriftType.struct) throw corrupt("chunks are no list");
      for (let chunk = 0; chunk < chunks.count; chunk++) this.#readChunk(group);
    }
  }

  #readChunk(group: number): void {
    const reader = this.#reader;
    this.chunkCount++;
    reader.beginStruct();
    for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
      if (reader.fieldId === 3 && type === ThriftType.struct) this.#readMeta(group);
      else reader.skip(type);
    }
  }

  /** ColumnMetaData. */
  #readMeta(group: number): void {
    const reader = this.#reader;
    let pathAt = -1;
    let offset = 0;
    let length = 0;
    reader.beginStruct();
    for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
      const id = reader.fieldId;
      if (id === 14 && type === ThriftType.i64) offset = readCount(reader);
      else if (id === 15 && type === ThriftType.i32) length = readCount(reader);
      else {
        if (id === 3 && type === ThriftType.list) pathAt = reader.position;
        reader.skip(type);
      }
    }
    if (length === 0) return;
    if (offset + length > this.#dataEnd) throw corrupt("a filter lies outside of the data");
    const number = this.filterCount++;
    const column = pathAt < 0 ? undefined : this.#columnAt(pathAt);
    if (column === undefined) return;
    if (this.found.length === MAX_PLACES) throw unsupported(`more than ${MAX_PLACES} filters`);
    this.found.push({ column, group, offset, length });
    this.numbers.push(number);
  }

  /** The name of a column that is flat: parts of others have longer paths. */
  #columnAt(pathAt: number): string | undefined {
    const path = new ThriftReader(this.#footer.subarray(pathAt));
    if (path.beginList().count !== 1) return undefined;
    const name = path.binary();
    return name.length <= MAX_COLUMN_BYTES ? decoder.decode(name) : undefined;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
