import { zstdCompress } from "../../../runtime/compression.ts";
import { crc32 } from "../../../runtime/crc32.ts";
import { bloomInsert } from "./bloom-filter.ts";
import { ByteSink } from "./byte-sink.ts";
import { encodeDelta, suitsDelta } from "./delta.ts";
import type { FileSink } from "./file-sink.ts";
import { bitWidth, encodeHybrid, encodePresence, repeatRun } from "./hybrid.ts";
import type { LeafColumn, LeafValues, Levels } from "./leaf-column.ts";
import { Pages } from "./pages.ts";
import { TYPE_INFO } from "./schema.ts";
import { type Bounds, codedBounds, numberBounds, rangeOfBools } from "./statistics.ts";
import { ThriftWriter } from "./thrift-writer.ts";
import type { ValueDomain } from "./value-domain.ts";

export const Codec = { uncompressed: 0, zstd: 6 } as const;
export const Encoding = { plain: 0, rle: 3, delta: 5, rleDictionary: 8 } as const;
const PageType = { data: 0, dictionary: 2 } as const;

/** What the footer says about a column chunk. */
export type ChunkMeta = {
  readonly leaf: LeafColumn;
  readonly codec: number;
  readonly dictionary: boolean;
  /** Of the data pages. */
  readonly encoding: number;
  readonly valueCount: number;
  readonly nullCount: number;
  readonly uncompressedBytes: number;
  readonly compressedBytes: number;
  readonly dictionaryOffset: number | undefined;
  readonly dataOffset: number;
  readonly bounds: Bounds | undefined;
  /** The bits of the chunk's bloom filter. */
  readonly bloom: Uint8Array | undefined;
  /** CRC-32 of its page headers, one after the other; each has the CRC-32 of its page. */
  readonly headersCrc: number;
};

/**
 * Below this a chunk is stored as it is: a call of zstd (some 50 µs) costs more than the bytes. Level
 * 1 is asked for by files that are soon replaced, so there the time counts for more.
 */
const MIN_COMPRESSED_BYTES = { fast: 2048, thorough: 512 } as const;
/**
 * What compressing must save, as a part and in bytes of a page: each query pays for it again, some
 * 15 µs for a page whatever its size.
 */
const MIN_SAVED = { part: 0.1, bytesOfPage: 1024 } as const;
/** Dictionaries beyond this are not built: their codes would not fit the bit packer. */
const MAX_DICTIONARY_ENTRIES = 1 << 20;
const MAX_DICTIONARY_BYTES = 16 << 20;
/** With fewer values than this, the dictionary itself is as quick to look through. */
const MIN_BLOOM_ENTRIES = 9;
/** One false positive in about 50 row groups. */
const BLOOM_BITS_PER_ENTRY = 8;
const MAX_BLOOM_BYTES = 1 << 18;

type Coding = {
  /** Ids of the distinct values, in order of appearance; `count` of them. */
  readonly ids: Uint32Array;
  readonly count: number;
  readonly codes: Uint32Array;
  readonly width: number;
  /** Bytes of the longest value in PLAIN encoding; known once the dictionary was considered. */
  longest: number;
};

/** Kept from one file to the next: a writer does not wait, so there is one at a time in a thread. */
const scratch = {
  body: new ByteSink(1 << 16),
  dictionaryBody: new ByteSink(1 << 14),
  header: new ByteSink(64),
};

/** Writes column chunks one after another; keeps the scratch memory between them. */
export class ChunkWriter {
  readonly #file: FileSink;
  readonly #zstdLevel: number;
  readonly #minCompressedBytes: number;
  readonly #body = scratch.body;
  readonly #dictionaryBody = scratch.dictionaryBody;
  readonly #header = scratch.header;
  #codes = new Uint32Array(1024);
  #dictionaryIds = new Uint32Array(1024);
  #uncompressedBytes = 0;
  #headersCrc = 0;

  constructor(file: FileSink, zstdLevel: number) {
    this.#file = file;
    this.#zstdLevel = zstdLevel;
    this.#minCompressedBytes = MIN_COMPRESSED_BYTES[zstdLevel > 1 ? "thorough" : "fast"];
  }

  /** Writes rows `firstRow .. lastRow` of the column. */
  write(leaf: LeafColumn, firstRow: number, lastRow: number): ChunkMeta {
    const { presence } = leaf;
    const levels = presence.kind === "nested" ? presence.levels(firstRow, lastRow) : undefined;
    let from = firstRow;
    let to = lastRow;
    let valueCount = lastRow - firstRow;
    if (presence.kind === "some") {
      from = lowerBound(presence.rows, firstRow);
      to = lowerBound(presence.rows, lastRow);
      valueCount = to - from;
    } else if (levels) valueCount = presentCount(levels);
    let coding = valueCount > 0 ? constantCoding(leaf.values) : undefined;
    const values = coding ? NO_VALUES : leaf.values.read(from, to);
    if (leaf.values.kind === "coded") coding ??= this.#code(leaf.values.domain, values, valueCount);
    const dictionary =
      coding &&
      leaf.values.kind === "coded" &&
      this.#buildDictionary(leaf.values.domain, coding, valueCount)
        ? coding
        : undefined;

    const isDelta = isInteger(leaf) && suitsDelta(values, valueCount);
    const plain = isDelta ? Encoding.delta : Encoding.plain;
    const encoding = dictionary ? Encoding.rleDictionary : plain;
    const pages = new Pages(leaf, firstRow, lastRow, from, levels, values, {
      codeWidth: dictionary?.width,
      longestValue: coding?.longest ?? 8,
    });
    pages.next();
    this.#writeBody(leaf, pages, levels, values, dictionary, isDelta, from);
    // What has one page is known whole here; what has more is worth compressing.
    const bytes = this.#body.length + (dictionary ? this.#dictionaryBody.length : 0);
    const stored = leaf.random || (pages.atEnd && bytes < this.#minCompressedBytes);
    const packed = stored ? undefined : this.#packFirst(dictionary !== undefined);
    const codec = packed === undefined ? Codec.uncompressed : Codec.zstd;

    const start = this.#file.offset;
    this.#uncompressedBytes = 0;
    this.#headersCrc = 0;
    if (dictionary) {
      const page = (header: ThriftWriter) => {
        header.begin(7);
        header.i32(1, dictionary.count);
        header.i32(2, Encoding.plain);
        header.end();
      };
      this.#writePage(
        PageType.dictionary,
        packed?.dictionary ?? this.#dictionaryBody.view(),
        this.#dictionaryBody.length,
        page,
      );
    }
    const dataOffset = this.#file.offset;
    let body = packed?.body ?? this.#body.view();
    for (;;) {
      const page = (header: ThriftWriter) => {
        header.begin(5);
        header.i32(1, pages.levelCount);
        header.i32(2, encoding);
        header.i32(3, Encoding.rle);
        header.i32(4, Encoding.rle);
        header.end();
      };
      this.#writePage(PageType.data, body, this.#body.length, page);
      if (pages.atEnd) break;
      pages.next();
      this.#writeBody(leaf, pages, levels, values, dictionary, isDelta, from);
      body = this.#body.view();
      if (codec === Codec.zstd) body = zstdCompress(body, this.#zstdLevel);
    }
    const levelCount = levels ? levels.count : lastRow - firstRow;
    return {
      leaf,
      codec,
      dictionary: dictionary !== undefined,
      encoding,
      valueCount: levelCount,
      nullCount: levelCount - valueCount,
      uncompressedBytes: this.#uncompressedBytes,
      compressedBytes: this.#file.offset - start,
      dictionaryOffset: dictionary ? start : undefined,
      dataOffset,
      bounds: leaf.random ? undefined : boundsOf(leaf, values, valueCount, coding),
      bloom: coding && leaf.bloom ? bloomOf(leaf, coding) : undefined,
      headersCrc: this.#headersCrc,
    };
  }

  /** Numbers the distinct values in order of appearance. */
  #code(domain: ValueDomain, values: Uint32Array, count: number): Coding {
    if (this.#codes.length < count)
      this.#codes = new Uint32Array(Math.max(count, 2 * this.#codes.length));
    if (this.#dictionaryIds.length < count)
      this.#dictionaryIds = new Uint32Array(this.#codes.length);
    const codes = this.#codes;
    const ids = this.#dictionaryIds;
    const { remap } = domain;
    let distinct = 0;
    for (let i = 0; i < count; i++) {
      const id = values[i]!;
      let code = remap[id]!;
      if (code === 0) {
        ids[distinct++] = id;
        code = distinct;
        remap[id] = code;
      }
      codes[i] = code - 1;
    }
    for (let i = 0; i < distinct; i++) remap[ids[i]!] = 0;
    return { ids, count: distinct, codes, width: bitWidth(distinct), longest: 0 };
  }

  /** False when the dictionary would not make the chunk smaller by a tenth or is too large. */
  #buildDictionary(domain: ValueDomain, coding: Coding, valueCount: number): boolean {
    let bytes = 0;
    for (let i = 0; i < coding.count; i++) {
      const length = domain.plainBytes(coding.ids[i]!);
      bytes += length;
      if (length > coding.longest) coding.longest = length;
    }
    if (coding.count > MAX_DICTIONARY_ENTRIES) return false;
    if (bytes > MAX_DICTIONARY_BYTES) return false;
    const plainBytes = coding.count === 0 ? 0 : (bytes / coding.count) * valueCount;
    const codeBytes = (valueCount * coding.width) / 8;
    if (coding.count > 1 && bytes + codeBytes > 0.9 * plainBytes) return false;
    this.#dictionaryBody.length = 0;
    this.#dictionaryBody.reserve(bytes);
    for (let i = 0; i < coding.count; i++) domain.writePlain(this.#dictionaryBody, coding.ids[i]!);
    return true;
  }

  #writeBody(
    leaf: LeafColumn,
    page: Pages,
    levels: Levels | undefined,
    values: Uint32Array,
    dictionary: Coding | undefined,
    isDelta: boolean,
    from: number,
  ): void {
    const body = this.#body;
    body.length = 0;
    if (levels) {
      if (levels.maxRep > 0) writeLevels(body, levels.rep, page, levels.maxRep);
      if (levels.maxDef > 0) writeLevels(body, levels.def, page, levels.maxDef);
    } else if (leaf.presence.kind === "some") {
      const at = body.length;
      body.u32(0);
      const { rows } = leaf.presence;
      const first = from + page.valueFrom;
      const last = from + page.valueTo;
      encodePresence(body, rows, first, last, page.rowFrom, page.rowTo);
      body.patchU32(at, body.length - at - 4);
    }
    if (dictionary) {
      const { codes, width, count } = dictionary;
      body.byte(width);
      if (count > 1) encodeHybrid(body, codes, page.valueFrom, page.valueTo, width);
      else if (page.valueTo > page.valueFrom) repeatRun(body, 0, page.valueTo - page.valueFrom, 1);
    } else if (isDelta) encodeDelta(body, values, page.valueFrom, page.valueTo);
    else writePlain(body, leaf.values, values, page.valueFrom, page.valueTo);
  }

  /** Dictionary and first page compressed; `undefined` when that saves too little, as for packed codes. */
  #packFirst(
    hasDictionary: boolean,
  ): { readonly dictionary: Uint8Array | undefined; readonly body: Uint8Array } | undefined {
    const raw = this.#body.view();
    const rawDictionary = hasDictionary ? this.#dictionaryBody.view() : undefined;
    const body = zstdCompress(raw, this.#zstdLevel);
    const dictionary = rawDictionary && zstdCompress(rawDictionary, this.#zstdLevel);
    const before = raw.length + (rawDictionary?.length ?? 0);
    const after = body.length + (dictionary?.length ?? 0);
    const pages = dictionary === undefined ? 1 : 2;
    const enough = Math.max(MIN_SAVED.part * before, MIN_SAVED.bytesOfPage * pages);
    return before - after < enough ? undefined : { dictionary, body };
  }

  #writePage(
    type: number,
    stored: Uint8Array,
    rawLength: number,
    writeDetails: (header: ThriftWriter) => void,
  ): void {
    this.#header.length = 0;
    const header = new ThriftWriter(this.#header);
    header.i32(1, type);
    header.i32(2, rawLength);
    header.i32(3, stored.length);
    // Of the bytes as they are stored, without the header: Parquet's rule for pages of all kinds.
    header.i32(4, crc32(stored) | 0);
    writeDetails(header);
    header.end();
    this.#headersCrc = crc32(this.#header.view(), this.#headersCrc);
    this.#file.append(this.#header.view());
    this.#file.append(stored);
    this.#uncompressedBytes += this.#header.length + rawLength;
  }
}

/** Times and durations: written so, the database reads them in a third to a half of PLAIN's time. */
function isInteger({ values, type, random }: LeafColumn): boolean {
  return values.kind === "wide" && !random && (type === "BIGINT" || type === "TIMESTAMP_NS");
}

const NO_VALUES = new Uint32Array(0);

/** The coding of a column that has one value only; such a dictionary is never refused. */
function constantCoding(values: LeafValues): Coding | undefined {
  if (values.kind !== "coded" || values.constant === undefined) return undefined;
  if (values.domain.plainBytes(values.constant) > MAX_DICTIONARY_BYTES) return undefined;
  return { ids: Uint32Array.of(values.constant), count: 1, codes: NO_VALUES, width: 1, longest: 0 };
}

function writeLevels(body: ByteSink, levels: Uint32Array, page: Pages, maxLevel: number): void {
  const at = body.length;
  body.u32(0);
  encodeHybrid(body, levels, page.levelFrom, page.levelTo, bitWidth(maxLevel + 1));
  body.patchU32(at, body.length - at - 4);
}

function writePlain(
  body: ByteSink,
  source: LeafValues,
  values: Uint32Array,
  from: number,
  to: number,
): void {
  switch (source.kind) {
    case "coded":
      for (let i = from; i < to; i++) source.domain.writePlain(body, values[i]!);
      break;
    case "wide":
    case "narrow": {
      const perValue = source.kind === "wide" ? 8 : 4;
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      body.append(bytes, from * perValue, to * perValue);
      break;
    }
    case "bool":
      for (let i = from; i < to; i += 8) {
        let byte = 0;
        for (let j = i; j < to && j < i + 8; j++) byte |= values[j]! << (j - i);
        body.byte(byte);
      }
      break;
    default:
      source satisfies never;
  }
}

function boundsOf(
  leaf: LeafColumn,
  values: Uint32Array,
  count: number,
  coding: Coding | undefined,
): Bounds | undefined {
  // Unsigned 64-bit columns are ids and rare exact times: nobody asks for ranges of those.
  if (count === 0 || leaf.type === "UBIGINT") return undefined;
  const { order } = TYPE_INFO[leaf.type];
  if (leaf.values.kind === "coded") {
    return coding && codedBounds(leaf.values.domain, coding.ids, coding.count, order);
  }
  if (order === "bool") return rangeOfBools(values, count);
  return order === "bytes" ? undefined : numberBounds(values, count, order);
}

/**
 * Near-unique strings have one as well: looking for one value of a column without a dictionary would
 * read all of it.
 */
function bloomOf(leaf: LeafColumn, coding: Coding): Uint8Array | undefined {
  if (leaf.values.kind !== "coded") return undefined;
  if (leaf.type !== "UUID" && coding.count < MIN_BLOOM_ENTRIES) return undefined;
  const blocks = Math.ceil((coding.count * BLOOM_BITS_PER_ENTRY) / 256);
  if (blocks * 32 > MAX_BLOOM_BYTES) return undefined;
  const words = new Uint32Array(blocks * 8);
  const hash = new Uint32Array(2);
  for (let i = 0; i < coding.count; i++) {
    leaf.values.domain.hash(coding.ids[i]!, hash);
    bloomInsert(words, hash[0]!, hash[1]!);
  }
  return new Uint8Array(words.buffer);
}

function presentCount(levels: Levels): number {
  let count = 0;
  for (let i = 0; i < levels.count; i++) if (levels.def[i] === levels.maxDef) count++;
  return count;
}

/** The first index of rising `rows` whose row is not below `row`. */
function lowerBound(rows: Uint32Array, row: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle]! < row) low = middle + 1;
    else high = middle;
  }
  return low;
}
