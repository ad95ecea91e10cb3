import { hasRangeNeeds } from "../../../schema/value-need.ts";
import { CHECKSUMS_KEY, decodeChecksums, isChecked } from "../checksums.ts";
import { readKeyValues } from "../parquet/key-values.ts";
import { ThriftReader } from "../parquet/thrift-reader.ts";
import { ThriftType } from "../parquet/thrift-writer.ts";
import { corrupt, unsupported } from "../read/read-error.ts";
import { readCount } from "../read/read-thrift.ts";
import {
  ColumnBounds,
  type FoundBounds,
  hasBounds,
  MAX_BOUNDS,
  readNumberBounds,
} from "./column-bounds.ts";
import { FilterPlaces, type FoundFilter, MAX_PLACES } from "./filter-places.ts";
import type { SameColumns } from "./same-columns.ts";

/** Ours have at most 137. */
const MAX_COLUMN_BYTES = 256;

/**
 * What a segment's footer says of the values of its columns, and no more: some hundred bytes where a
 * footer in memory takes a hundred times that.
 */
export type FooterExtract = { readonly places: FilterPlaces; readonly bounds: ColumnBounds };

const KEYS: ReadonlySet<string> = new Set([CHECKSUMS_KEY]);

/**
 * The extract of the footer (FileMetaData) of a segment whose data ends at `dataEnd`. Looks at nothing
 * else in it, which takes half of the time. Throws `corrupt` and `unsupported`.
 */
export function readFooterExtract(
  footer: Uint8Array,
  dataEnd: number,
  sameColumns: SameColumns,
): FooterExtract {
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
  const { chunkCount, groupCount, filters, numbers, bounds } = groups;
  const checksums = crcs && numbers.map((number) => crcs[chunkCount + number]!);
  return {
    places: new FilterPlaces({ found: filters, groupCount, checksums }, sameColumns),
    bounds: new ColumnBounds(bounds, groupCount, sameColumns),
  };
}

/** Reads the list of row groups that `reader` stands in front of. */
class GroupsReader {
  readonly groupCount: number;
  readonly filters: FoundFilter[] = [];
  /** Of each of `filters`, its number among all of the file. */
  readonly numbers: number[] = [];
  readonly bounds: FoundBounds[] = [];
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
    let [physical, pathAt, valueCount, statisticsAt] = [-1, -1, -1, -1];
    let [offset, length] = [0, 0];
    reader.beginStruct();
    for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
      const id = reader.fieldId;
      if (id === 1 && type === ThriftType.i32) physical = readCount(reader);
      else if (id === 5 && type === ThriftType.i64) valueCount = readCount(reader);
      else if (id === 14 && type === ThriftType.i64) offset = readCount(reader);
      else if (id === 15 && type === ThriftType.i32) length = readCount(reader);
      else {
        if (id === 3 && type === ThriftType.list) pathAt = reader.position;
        if (id === 12 && type === ThriftType.struct) statisticsAt = reader.position;
        reader.skip(type);
      }
    }
    if (length > 0) this.#addFilter(group, pathAt, offset, length);
    if (!hasBounds(physical) || statisticsAt < 0) return;
    const column = this.#columnAt(pathAt);
    if (column === undefined || !hasRangeNeeds(column)) return;
    const statistics = this.#readerAt(statisticsAt);
    const bounds = readNumberBounds(statistics, physical, valueCount);
    if (bounds === undefined) return;
    if (this.bounds.length === MAX_BOUNDS) throw unsupported(`more than ${MAX_BOUNDS} bounds`);
    this.bounds.push({ column, group, ...bounds });
  }

  #addFilter(group: number, pathAt: number, offset: number, length: number): void {
    if (offset + length > this.#dataEnd) throw corrupt("a filter lies outside of the data");
    const number = this.filterCount++;
    const column = this.#columnAt(pathAt);
    if (column === undefined) return;
    if (this.filters.length === MAX_PLACES) throw unsupported(`more than ${MAX_PLACES} filters`);
    this.filters.push({ column, group, offset, length });
    this.numbers.push(number);
  }

  /** The name of a column that is flat: parts of others have longer paths. */
  #columnAt(pathAt: number): string | undefined {
    if (pathAt < 0) return undefined;
    const path = this.#readerAt(pathAt);
    if (path.beginList().count !== 1) return undefined;
    const name = path.binary();
    return name.length <= MAX_COLUMN_BYTES ? decoder.decode(name) : undefined;
  }

  #readerAt(position: number): ThriftReader {
    return new ThriftReader(this.#footer.subarray(position));
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
