import { ThriftReader } from "../parquet/thrift-reader.ts";
import { ThriftType } from "../parquet/thrift-writer.ts";
import { corrupt, unsupported } from "./read-error.ts";
import { readCount } from "./read-thrift.ts";

export const PageKind = { data: 0, dictionary: 2 } as const;

export type PageHeader = {
  readonly kind: number;
  /** Of the header itself. */
  readonly headerBytes: number;
  readonly storedBytes: number;
  readonly bodyBytes: number;
  /** Entries of a dictionary; levels, or without levels rows, of a data page. */
  readonly valueCount: number;
  readonly encoding: number;
  /** CRC-32 of the page as it is stored. */
  readonly crc: number | undefined;
};

/** Ours have at most about 50 bytes; statistics in a header, which others write, may need more. */
export const MAX_HEADER_BYTES = 512;
/** A page of ours has about 1 MiB and one value, a dictionary 16 MiB. */
const MAX_PAGE_BYTES = 64 << 20;
/** Ours have 2^19 rows at most, or 2^16 levels and those of one more row. */
const MAX_PAGE_VALUES = 1 << 22;
const RLE = 3;

/** Parses the page header at the beginning of `bytes`. */
export function readPageHeader(bytes: Uint8Array): PageHeader {
  const reader = new ThriftReader(bytes);
  let kind = -1;
  let bodyBytes = -1;
  let storedBytes = -1;
  let details: Details | undefined;
  let crc: number | undefined;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    const id = reader.fieldId;
    if (type === ThriftType.i32 && id <= 3) {
      const value = readCount(reader);
      if (id === 1) kind = value;
      else if (id === 2) bodyBytes = value;
      else storedBytes = value;
    } else if (type === ThriftType.i32 && id === 4) crc = readCrc(reader);
    else if (type === ThriftType.struct && id === 5 && kind === PageKind.data) {
      details = readDetails(reader, true);
    } else if (type === ThriftType.struct && id === 7 && kind === PageKind.dictionary) {
      details = readDetails(reader, false);
    } else reader.skip(type);
  }
  if (bodyBytes < 0 || storedBytes < 0) throw corrupt("a page without a size");
  if (kind !== PageKind.data && kind !== PageKind.dictionary) {
    throw unsupported(`pages of kind ${kind}`);
  }
  if (Math.max(bodyBytes, storedBytes) > MAX_PAGE_BYTES) {
    throw unsupported(`a page of ${bodyBytes} bytes`);
  }
  if (details === undefined) throw corrupt("a page header without its details");
  if (details.valueCount > MAX_PAGE_VALUES)
    throw unsupported(`${details.valueCount} values a page`);
  return { kind, headerBytes: reader.position, storedBytes, bodyBytes, crc, ...details };
}

/** A signed number of 32 bits whose bits are what counts. */
function readCrc(reader: ThriftReader): number {
  const raw = reader.varint();
  return (raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2) >>> 0;
}

type Details = { valueCount: number; encoding: number };

/** DataPageHeader or DictionaryPageHeader. */
function readDetails(reader: ThriftReader, data: boolean): Details {
  let valueCount = -1;
  let encoding = -1;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    const id = reader.fieldId;
    if (type !== ThriftType.i32) {
      reader.skip(type);
      continue;
    }
    const value = readCount(reader);
    if (id === 1) valueCount = value;
    else if (id === 2) encoding = value;
    else if (data && (id === 3 || id === 4) && value !== RLE) {
      throw unsupported(`levels in encoding ${value}`);
    }
  }
  if (valueCount < 0 || encoding < 0) throw corrupt("a page header without its details");
  return { valueCount, encoding };
}
