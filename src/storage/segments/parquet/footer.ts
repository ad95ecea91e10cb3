import { crc32 } from "../../../runtime/crc32.ts";
import { type ChunkMeta, Encoding } from "./column-chunk.ts";
import type { FileSink } from "./file-sink.ts";
import { type SchemaNode, schemaElementCount, TYPE_INFO, writeSchemaElements } from "./schema.ts";
import { ThriftType, ThriftWriter } from "./thrift-writer.ts";

export const MAGIC = new TextEncoder().encode("PAR1");

export type RowGroup = {
  readonly rowCount: number;
  /** Where its first column begins. */
  readonly offset: number;
  readonly chunks: readonly ChunkMeta[];
};

export type SortingColumn = { readonly index: number; readonly descending: boolean };

export type FileDescription = {
  readonly schema: readonly SchemaNode[];
  readonly rowCount: number;
  readonly rowGroups: readonly RowGroup[];
  readonly sorting: readonly SortingColumn[];
  readonly keyValues: readonly { readonly key: string; readonly value: Uint8Array }[];
};

/** Where the bloom filter of each chunk lies, and the CRC-32 of its bytes there. */
export type BloomPlaces = ReadonlyMap<
  ChunkMeta,
  { readonly offset: number; readonly length: number; readonly crc: number }
>;

/**
 * Writes the bloom filters of all chunks, one after another, in front of the footer; those of the
 * column named `last` come last: one read of the file's end has them with the footer.
 */
export function writeBloomFilters(
  file: FileSink,
  rowGroups: readonly RowGroup[],
  last: string,
): BloomPlaces {
  const places = new Map<ChunkMeta, { offset: number; length: number; crc: number }>();
  const isLast = (chunk: ChunkMeta) => chunk.leaf.path[0] === last;
  const all = rowGroups.flatMap(({ chunks }) => chunks);
  for (const chunks of [all.filter((one) => !isLast(one)), all.filter(isLast)]) {
    for (const chunk of chunks) {
      if (chunk.bloom === undefined) continue;
      const header = new ThriftWriter();
      header.i32(1, chunk.bloom.length);
      // Block algorithm, XXH64, uncompressed: unions whose first member is the only one.
      for (const id of [2, 3, 4]) {
        header.begin(id);
        header.begin(1);
        header.end();
        header.end();
      }
      header.end();
      const { offset } = file;
      file.append(header.sink.view());
      file.append(chunk.bloom);
      const crc = crc32(chunk.bloom, crc32(header.sink.view()));
      places.set(chunk, { offset, length: file.offset - offset, crc });
    }
  }
  return places;
}

/** `FileMetaData`, without the length and magic behind it. */
export function encodeFooter(file: FileDescription, blooms: BloomPlaces): Uint8Array<ArrayBuffer> {
  const thrift = new ThriftWriter();
  thrift.i32(1, 2);
  thrift.list(2, ThriftType.struct, 1 + schemaElementCount(file.schema));
  thrift.beginListed();
  thrift.text(4, "spans");
  thrift.i32(5, file.schema.length);
  thrift.end();
  writeSchemaElements(thrift, file.schema);
  thrift.i64(3, file.rowCount);
  thrift.list(4, ThriftType.struct, file.rowGroups.length);
  for (const [ordinal, group] of file.rowGroups.entries()) {
    writeRowGroup(thrift, group, ordinal, file.sorting, blooms);
  }
  thrift.list(5, ThriftType.struct, file.keyValues.length);
  for (const { key, value } of file.keyValues) {
    thrift.beginListed();
    thrift.text(1, key);
    thrift.binary(2, value);
    thrift.end();
  }
  thrift.text(6, "pintail");
  // Every leaf is in its type's own order; without this, readers ignore the bounds.
  const leaves = file.rowGroups[0]?.chunks.length ?? 0;
  thrift.list(7, ThriftType.struct, leaves);
  for (let i = 0; i < leaves; i++) {
    thrift.beginListed();
    thrift.begin(1);
    thrift.end();
    thrift.end();
  }
  thrift.end();
  return thrift.sink.view();
}

function writeRowGroup(
  thrift: ThriftWriter,
  group: RowGroup,
  ordinal: number,
  sorting: readonly SortingColumn[],
  blooms: BloomPlaces,
): void {
  let uncompressed = 0;
  let compressed = 0;
  thrift.beginListed();
  thrift.list(1, ThriftType.struct, group.chunks.length);
  for (const chunk of group.chunks) {
    uncompressed += chunk.uncompressedBytes;
    compressed += chunk.compressedBytes;
    thrift.beginListed();
    thrift.i64(2, 0);
    thrift.begin(3);
    writeColumnMeta(thrift, chunk, blooms);
    thrift.end();
    thrift.end();
  }
  thrift.i64(2, uncompressed);
  thrift.i64(3, group.rowCount);
  thrift.list(4, ThriftType.struct, sorting.length);
  for (const { index, descending } of sorting) {
    thrift.beginListed();
    thrift.i32(1, index);
    thrift.bool(2, descending);
    thrift.bool(3, false);
    thrift.end();
  }
  thrift.i64(5, group.offset);
  thrift.i64(6, compressed);
  thrift.i16(7, ordinal);
  thrift.end();
}

function writeColumnMeta(thrift: ThriftWriter, chunk: ChunkMeta, blooms: BloomPlaces): void {
  const { leaf, bounds } = chunk;
  thrift.i32(1, TYPE_INFO[leaf.type].physical);
  const encodings = chunk.dictionary
    ? [Encoding.plain, Encoding.rle, Encoding.rleDictionary]
    : [chunk.encoding, Encoding.rle];
  thrift.list(2, ThriftType.i32, encodings.length);
  for (const encoding of encodings) thrift.zigzag(encoding);
  thrift.list(3, ThriftType.binary, leaf.path.length);
  for (const name of leaf.path) thrift.listedText(name);
  thrift.i32(4, chunk.codec);
  thrift.i64(5, chunk.valueCount);
  thrift.i64(6, chunk.uncompressedBytes);
  thrift.i64(7, chunk.compressedBytes);
  thrift.i64(9, chunk.dataOffset);
  if (chunk.dictionaryOffset !== undefined) thrift.i64(11, chunk.dictionaryOffset);
  thrift.begin(12);
  thrift.i64(3, chunk.nullCount);
  if (bounds?.max) thrift.binary(5, bounds.max);
  if (bounds?.min) thrift.binary(6, bounds.min);
  if (bounds?.max) thrift.bool(7, bounds.maxExact);
  if (bounds?.min) thrift.bool(8, bounds.minExact);
  thrift.end();
  const bloom = blooms.get(chunk);
  if (bloom) {
    thrift.i64(14, bloom.offset);
    thrift.i32(15, bloom.length);
  }
}
