import { ThriftReader } from "../parquet/thrift-reader.ts";
import { ThriftType, ThriftWriter } from "../parquet/thrift-writer.ts";
import { corrupt } from "./read-error.ts";
import { readCount } from "./read-thrift.ts";

/** A field of a struct as it is encoded. */
type RawField = { readonly id: number; readonly type: number; readonly value: Uint8Array };

type ColumnParts = {
  readonly name: string;
  /** Its schema elements, depth first, as they are encoded. */
  readonly elements: readonly Uint8Array[];
  readonly firstLeaf: number;
  readonly leafCount: number;
};

/** A Parquet footer, taken apart as far as it takes to write another one with fewer columns and rows. */
export type FooterParts = {
  readonly bytes: Uint8Array;
  readonly columns: readonly ColumnParts[];
  readonly groups: readonly {
    readonly rowCount: number;
    /** Where `bytes` has the ColumnMetaData: start and end, by leaf. */
    readonly chunks: Uint32Array;
  }[];
};

/** Of ColumnMetaData. */
const DATA_PAGE_OFFSET = 9;
const DICTIONARY_PAGE_OFFSET = 11;
/** Page indexes and bloom filters lie elsewhere in the file, so a projection has none. */
const LEFT_OUT: ReadonlySet<number> = new Set([10, 14, 15]);
const MAX_ELEMENTS = 65_536;
/** Of a column; ours have 7: attributes of events. */
const MAX_DEPTH = 16;
/** The largest struct that is kept in parts has 17. */
const MAX_FIELDS = 64;

/** Takes `footer` (FileMetaData) apart. Throws `corrupt` when it is none. */
export function takeApart(footer: Uint8Array): FooterParts {
  const reader = new ThriftReader(footer);
  let columns: ColumnParts[] | undefined;
  let groups: FooterParts["groups"] | undefined;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    if (reader.fieldId === 2 && type === ThriftType.list) columns = readColumns(reader, footer);
    else if (reader.fieldId === 4 && type === ThriftType.list) {
      groups = listOf(reader, () => readGroup(reader));
      break;
    } else reader.skip(type);
  }
  if (columns === undefined || groups === undefined) throw corrupt("a footer without its parts");
  const leaves = columns.reduce((sum, { leafCount }) => sum + leafCount, 0);
  if (groups.some(({ chunks }) => chunks.length !== 2 * leaves)) throw corrupt("chunks do not fit");
  return { bytes: footer, columns, groups };
}

/**
 * A footer with these columns (indexes, ascending) and row groups. `placeOf` says where the new file
 * has the first byte of a chunk. Throws `corrupt` for chunks that no writer describes so.
 */
export function writeProjectedFooter(
  parts: FooterParts,
  columns: readonly number[],
  groups: readonly number[],
  placeOf: (leaf: number, group: number) => number,
): Uint8Array<ArrayBuffer> {
  const kept = columns.map((index) => parts.columns[index]!);
  const leaves = kept.flatMap(({ firstLeaf, leafCount }) =>
    Array.from({ length: leafCount }, (_, i) => firstLeaf + i),
  );
  const thrift = new ThriftWriter();
  thrift.i32(1, 2);
  thrift.list(2, ThriftType.struct, 1 + kept.reduce((sum, c) => sum + c.elements.length, 0));
  thrift.beginListed();
  thrift.text(4, "spans");
  thrift.i32(5, kept.length);
  thrift.end();
  for (const { elements } of kept) {
    for (const element of elements) thrift.sink.append(element, 0, element.length);
  }
  const rowGroups = groups.map((group) => parts.groups[group]!);
  thrift.i64(
    3,
    rowGroups.reduce((sum, { rowCount }) => sum + rowCount, 0),
  );
  thrift.list(4, ThriftType.struct, groups.length);
  for (const [ordinal, group] of groups.entries()) {
    const { rowCount, chunks } = parts.groups[group]!;
    thrift.beginListed();
    thrift.list(1, ThriftType.struct, leaves.length);
    let bytes = 0;
    for (const leaf of leaves) {
      thrift.beginListed();
      thrift.i64(2, 0);
      thrift.begin(3);
      const raw = parts.bytes.subarray(chunks[2 * leaf], chunks[2 * leaf + 1]);
      bytes += writeChunk(thrift, raw, placeOf(leaf, group));
      thrift.end();
      thrift.end();
    }
    thrift.i64(2, bytes);
    thrift.i64(3, rowCount);
    thrift.i16(7, ordinal);
    thrift.end();
  }
  thrift.text(6, "pintail");
  // Without the columns' orders readers ignore the bounds.
  thrift.list(7, ThriftType.struct, leaves.length);
  for (let i = 0; i < leaves.length; i++) {
    thrift.beginListed();
    thrift.begin(1);
    thrift.end();
    thrift.end();
  }
  thrift.end();
  return thrift.sink.view();
}

/** Returns the chunk's uncompressed size. */
function writeChunk(thrift: ThriftWriter, raw: Uint8Array, place: number): number {
  const fields = readStruct(new ThriftReader(raw), raw);
  const offsets = new Map<number, number>();
  let uncompressed = 0;
  for (const { id, type, value } of fields) {
    if (id === DATA_PAGE_OFFSET || id === DICTIONARY_PAGE_OFFSET) {
      if (type !== ThriftType.i64) throw corrupt("a place that is no number");
      offsets.set(id, count(value));
    }
    if (id === 6) uncompressed = count(value);
  }
  const start = offsets.get(DICTIONARY_PAGE_OFFSET) ?? offsets.get(DATA_PAGE_OFFSET) ?? 0;
  if ((offsets.get(DATA_PAGE_OFFSET) ?? 0) < start) throw corrupt("pages in front of their chunk");
  for (const { id, type, value } of fields) {
    const offset = offsets.get(id);
    if (offset !== undefined) thrift.i64(id, offset - start + place);
    else if (!LEFT_OUT.has(id)) thrift.raw(id, type, value);
  }
  return uncompressed;
}

function count(value: Uint8Array): number {
  return readCount(new ThriftReader(value));
}

function readColumns(reader: ThriftReader, footer: Uint8Array): ColumnParts[] {
  const elements = listOf(reader, () => readElement(reader, footer));
  const columns: ColumnParts[] = [];
  let at = 1;
  let leaf = 0;
  const walk = (depth: number): number => {
    const element = elements[at++];
    if (depth > MAX_DEPTH) throw corrupt("a schema nested deeply");
    if (element === undefined) throw corrupt("a schema without its end");
    if (element.children === undefined) return 1;
    let leaves = 0;
    for (let i = 0; i < element.children; i++) leaves += walk(depth + 1);
    return leaves;
  };
  while (at < elements.length) {
    const from = at;
    const leafCount = walk(1);
    columns.push({
      name: elements[from]!.name,
      elements: elements.slice(from, at).map(({ raw }) => raw),
      firstLeaf: leaf,
      leafCount,
    });
    leaf += leafCount;
  }
  return columns;
}

function readElement(reader: ThriftReader, footer: Uint8Array) {
  const from = reader.position;
  let name = "";
  let children: number | undefined;
  for (const { id, type, value } of readStruct(reader, footer)) {
    if (id === 4 && type === ThriftType.binary) {
      name = new TextDecoder().decode(new ThriftReader(value).binary());
    } else if (id === 5) children = count(value);
  }
  if (children !== undefined && children > MAX_ELEMENTS) throw corrupt("a schema too large");
  return { name, children, raw: footer.subarray(from, reader.position) };
}

function readGroup(reader: ThriftReader): FooterParts["groups"][number] {
  let chunks: Uint32Array | undefined;
  let rowCount = -1;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    if (reader.fieldId === 1 && type === ThriftType.list) {
      chunks = Uint32Array.from(listOf(reader, () => readChunk(reader)).flat());
    } else if (reader.fieldId === 3 && type === ThriftType.i64) rowCount = readCount(reader);
    else reader.skip(type);
  }
  if (chunks === undefined || rowCount < 0) throw corrupt("a row group without its parts");
  return { rowCount, chunks };
}

/** Where the ColumnMetaData of a ColumnChunk is: start and end. */
function readChunk(reader: ThriftReader): [number, number] {
  let place: [number, number] | undefined;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    const id = reader.fieldId;
    const from = reader.position;
    reader.skip(type);
    if (id === 3 && type === ThriftType.struct) place = [from, reader.position];
  }
  if (place === undefined) throw corrupt("a chunk without its description");
  return place;
}

/** Of structs that Parquet has: few fields, in rising order of their ids. */
function readStruct(reader: ThriftReader, footer: Uint8Array): RawField[] {
  const fields: RawField[] = [];
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    const id = reader.fieldId;
    const from = reader.position;
    reader.skip(type);
    if (id <= (fields.at(-1)?.id ?? 0)) throw corrupt("fields out of order");
    if (fields.length === MAX_FIELDS) throw corrupt("a struct with too many fields");
    fields.push({ id, type, value: footer.subarray(from, reader.position) });
  }
  return fields;
}

function listOf<T>(reader: ThriftReader, read: () => T): T[] {
  const { count: length, type } = reader.beginList();
  if (type !== ThriftType.struct || length > MAX_ELEMENTS) throw corrupt("a list of another kind");
  return Array.from({ length }, read);
}
