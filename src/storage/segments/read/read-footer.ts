import { CHECKSUMS_KEY, decodeChecksums, isChecked } from "../checksums.ts";
import { Codec } from "../parquet/column-chunk.ts";
import { MAGIC } from "../parquet/footer.ts";
import { readKeyValues } from "../parquet/key-values.ts";
import { TYPE_INFO } from "../parquet/schema.ts";
import { ThriftReader } from "../parquet/thrift-reader.ts";
import { ThriftType } from "../parquet/thrift-writer.ts";
import { corrupt, unsupported } from "./read-error.ts";
import { type Leaf, type ReadSchema, readSchema } from "./read-schema.ts";
import { readCount } from "./read-thrift.ts";

/** Where a column chunk lies: bytes `start .. end` of the file. */
export type ChunkPlace = {
  readonly start: number;
  readonly end: number;
  readonly zstd: boolean;
  /** Levels; for a column without levels, rows. */
  readonly valueCount: number;
  /** Its bloom filter with its header; a length of 0 without one. */
  readonly bloomOffset: number;
  readonly bloomBytes: number;
  /** Undefined in files of older versions, which are not checked. */
  readonly checksums: ChunkChecksums | undefined;
};

export type ChunkChecksums = {
  /** CRC-32 of its page headers; each of them has one of its page. */
  readonly headers: number;
  /** Of its bloom filter with its header; 0 without one. */
  readonly bloom: number;
};

export type GroupPlace = {
  readonly firstRow: number;
  readonly rowCount: number;
  /** By leaf. */
  readonly chunks: readonly ChunkPlace[];
};

export type ReadFooter = ReadSchema & {
  readonly rowCount: number;
  readonly groups: readonly GroupPlace[];
};

export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

const KEYS: ReadonlySet<string> = new Set([CHECKSUMS_KEY]);
const TAIL_BYTES = 128 << 10;
/** Ours have less than a few MiB; a general reader may try its luck with more. */
const MAX_FOOTER_BYTES = 64 << 20;

/** Reads and checks the footer of a file that may be anything, with one or two reads. */
export async function loadFooter(readAt: ReadAt, fileSize: number): Promise<ReadFooter> {
  return (await loadRawFooter(readAt, fileSize)).footer;
}

/** What is known of a footer beforehand; one beyond it is refused before it takes memory. */
export type FooterBounds = { readonly maxBytes: number; readonly groups: number | undefined };

const ANY_FOOTER: FooterBounds = { maxBytes: MAX_FOOTER_BYTES, groups: undefined };

/** The same with the footer's bytes (FileMetaData). */
export async function loadRawFooter(
  readAt: ReadAt,
  fileSize: number,
  bounds: FooterBounds = ANY_FOOTER,
): Promise<{ footer: ReadFooter; raw: Uint8Array }> {
  const { raw, offset } = await readFooter(readAt, fileSize, TAIL_BYTES, bounds.maxBytes);
  return { footer: parseFooter(raw, offset, bounds), raw };
}

/**
 * The bytes of the footer and where they begin: with one read of at most `readBytes`, or a second one
 * for a longer footer. Throws `corrupt`, and `unsupported` beyond `maxBytes`.
 */
export async function readFooter(
  readAt: ReadAt,
  fileSize: number,
  readBytes: number,
  maxBytes = MAX_FOOTER_BYTES,
): Promise<{ readonly raw: Uint8Array; readonly offset: number }> {
  if (fileSize < 12) throw corrupt(`a file of ${fileSize} bytes`);
  const tailBytes = Math.min(fileSize, readBytes);
  const tail = await readExactly(readAt, fileSize - tailBytes, tailBytes);
  for (let i = 0; i < 4; i++) {
    if (tail[tailBytes - 4 + i] !== MAGIC[i]) throw corrupt("it does not end as Parquet does");
  }
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const footerBytes = view.getUint32(tailBytes - 8, true);
  if (footerBytes > fileSize - 12) throw corrupt(`a footer of ${footerBytes} bytes`);
  if (footerBytes > maxBytes) throw unsupported(`a footer of ${footerBytes} bytes`);
  const offset = fileSize - 8 - footerBytes;
  const raw =
    footerBytes + 8 <= tailBytes
      ? tail.subarray(tailBytes - 8 - footerBytes, tailBytes - 8)
      : await readExactly(readAt, offset, footerBytes);
  return { raw, offset };
}

export async function readExactly(
  readAt: ReadAt,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = await readAt(offset, length);
  if (bytes.length === length) return bytes;
  throw corrupt(`only ${bytes.length} of ${length} bytes at ${offset} could be read`);
}

/** Chunks must lie within the first `dataEnd` bytes of the file. */
function parseFooter(footer: Uint8Array, dataEnd: number, bounds: FooterBounds): ReadFooter {
  const hasChecksums = isChecked(footer);
  const reader = new ThriftReader(footer);
  let schema: ReadSchema | undefined;
  let rowCount = -1;
  let groups: GroupPlace[] | undefined;
  let values: ReadonlyMap<string, Uint8Array> | undefined;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    const id = reader.fieldId;
    if (id === 2 && type === ThriftType.list) schema = readSchema(reader);
    else if (id === 3 && type === ThriftType.i64) rowCount = readCount(reader);
    else if (id === 4 && type === ThriftType.list) {
      if (schema === undefined) throw unsupported("row groups in front of the schema");
      groups = readGroups(reader, schema.leaves, dataEnd, bounds);
    } else if (id === 5 && type === ThriftType.list) values = readKeyValues(reader, KEYS);
    else reader.skip(type);
  }
  if (schema === undefined || groups === undefined) throw corrupt("a footer without its parts");
  const total = groups.reduce((sum, group) => sum + group.rowCount, 0);
  if (total !== rowCount) throw corrupt(`${rowCount} rows, but ${total} in row groups`);
  const list = values?.get(CHECKSUMS_KEY);
  // Older files have neither.
  if (hasChecksums !== (list !== undefined)) throw corrupt("some checksums are missing");
  return { ...schema, rowCount, groups: list === undefined ? groups : withChecksums(groups, list) };
}

function withChecksums(groups: readonly GroupPlace[], list: Uint8Array): readonly GroupPlace[] {
  const chunks = groups.flatMap((group) => group.chunks);
  const filters = chunks.filter(({ bloomBytes }) => bloomBytes > 0);
  const crcs = decodeChecksums(list, chunks.length + filters.length);
  let [nextChunk, nextFilter] = [0, chunks.length];
  return groups.map((group) => ({
    ...group,
    chunks: group.chunks.map((chunk) => {
      const bloom = chunk.bloomBytes > 0 ? crcs[nextFilter++]! : 0;
      return { ...chunk, checksums: { headers: crcs[nextChunk++]!, bloom } };
    }),
  }));
}

function readGroups(
  reader: ThriftReader,
  leaves: readonly Leaf[],
  dataEnd: number,
  bounds: FooterBounds,
): GroupPlace[] {
  const list = reader.beginList();
  if (bounds.groups !== undefined && list.count !== bounds.groups) {
    throw corrupt(`${list.count} row groups instead of ${bounds.groups}`);
  }
  if (list.type !== ThriftType.struct) throw corrupt("row groups are no list");
  const groups: GroupPlace[] = [];
  let firstRow = 0;
  for (let g = 0; g < list.count; g++) {
    let chunks: ChunkPlace[] | undefined;
    let rowCount = -1;
    reader.beginStruct();
    for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
      if (reader.fieldId === 1 && type === ThriftType.list) {
        chunks = readChunks(reader, leaves, dataEnd);
      } else if (reader.fieldId === 3 && type === ThriftType.i64) rowCount = readCount(reader);
      else reader.skip(type);
    }
    if (chunks === undefined || rowCount < 0) throw corrupt("a row group without its parts");
    groups.push({ firstRow, rowCount, chunks });
    firstRow += rowCount;
  }
  return groups;
}

function readChunks(reader: ThriftReader, leaves: readonly Leaf[], dataEnd: number): ChunkPlace[] {
  const list = reader.beginList();
  if (list.type !== ThriftType.struct || list.count !== leaves.length) {
    throw corrupt(`${list.count} chunks for ${leaves.length} columns`);
  }
  return leaves.map((leaf) => {
    let chunk: ChunkPlace | undefined;
    reader.beginStruct();
    for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
      if (reader.fieldId === 3 && type === ThriftType.struct) {
        chunk = readChunk(reader, leaf, dataEnd);
      } else if (reader.fieldId === 1) throw unsupported("columns in other files");
      else reader.skip(type);
    }
    if (chunk === undefined) throw corrupt("a chunk without its place");
    return chunk;
  });
}

/** ColumnMetaData. */
function readChunk(reader: ThriftReader, leaf: Leaf, dataEnd: number): ChunkPlace {
  const fields = { 1: -1, 4: -1, 5: -1, 7: -1, 9: -1, 11: -1, 14: 0, 15: 0 };
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    const id = reader.fieldId;
    const isNumber = type === ThriftType.i32 || type === ThriftType.i64;
    if (isNumber && id in fields) fields[id as keyof typeof fields] = readCount(reader);
    else reader.skip(type);
  }
  if (fields[1] !== TYPE_INFO[leaf.type].physical) throw corrupt("a chunk of another type");
  const codec = fields[4];
  if (codec !== Codec.uncompressed && codec !== Codec.zstd) throw unsupported(`codec ${codec}`);
  const start = fields[11] >= 0 ? fields[11] : fields[9];
  const end = start + fields[7];
  if (fields[5] < 0 || fields[7] < 0 || start < MAGIC.length || end > dataEnd) {
    throw corrupt("a chunk lies outside of the data");
  }
  if (fields[14] + fields[15] > dataEnd) throw corrupt("a filter lies outside of the data");
  return {
    start,
    end,
    zstd: codec === Codec.zstd,
    valueCount: fields[5],
    bloomOffset: fields[14],
    bloomBytes: fields[15],
    checksums: undefined,
  };
}
