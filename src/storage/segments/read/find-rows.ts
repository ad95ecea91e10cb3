import { BLOOM_BLOCK_BYTES } from "../parquet/bloom-filter.ts";
import { Encoding } from "../parquet/column-chunk.ts";
import { ThriftReader } from "../parquet/thrift-reader.ts";
import { ThriftType } from "../parquet/thrift-writer.ts";
import type { ByteSource } from "./byte-source.ts";
import { corrupt, unsupported } from "./read-error.ts";
import type { ChunkPlace } from "./read-footer.ts";
import { codeReader } from "./read-leaf.ts";
import { readCount } from "./read-thrift.ts";
import { pageBody, walkPages } from "./walk-pages.ts";

const ID_BYTES = 16;

/**
 * First and one past the last row with this id in a required column of 16-byte ids whose equal
 * values are adjacent.
 */
export async function findRows(
  source: ByteSource,
  chunk: ChunkPlace,
  id: Uint8Array,
): Promise<{ from: number; to: number } | undefined> {
  let code: number | undefined;
  let row = 0;
  let from = -1;
  let to = -1;
  await walkPages(source, chunk, async (page, dictionary) => {
    const count = page.valueCount;
    if (dictionary !== undefined && code === undefined) {
      const entries = await pageBody(source, chunk, dictionary);
      code = indexOfId(entries, dictionary.valueCount, id);
      if (code < 0) return "done";
    }
    const body = await pageBody(source, chunk, page);
    const found = rangeInPage(page.encoding, body, count, id, code);
    const begun = from >= 0;
    if (found !== undefined) {
      if (!begun) from = row + found.first;
      to = row + found.last + 1;
    }
    row += count;
    // Behind the trace's last row nothing more can come.
    return (begun || found !== undefined) && to < row ? "done" : "more";
  });
  return from < 0 ? undefined : { from, to };
}

/** First and last value of a data page that is the id; `code` is its code in the dictionary. */
function rangeInPage(
  encoding: number,
  body: Uint8Array,
  count: number,
  id: Uint8Array,
  code: number | undefined,
): { first: number; last: number } | undefined {
  if (encoding === Encoding.plain) return rangeOfId(body, count, id);
  if (encoding !== Encoding.rleDictionary) throw unsupported(`encoding ${encoding}`);
  if (code === undefined) throw corrupt("codes without a dictionary");
  return codeReader(body, 0, count).rangeOf(code);
}

/** The index of the first entry that is the id, -1 without one. */
function indexOfId(entries: Uint8Array, count: number, id: Uint8Array): number {
  if (count * ID_BYTES > entries.length) throw corrupt("a dictionary is shorter than it says");
  for (let i = 0; i < count; i++) if (isId(entries, i, id)) return i;
  return -1;
}

function rangeOfId(body: Uint8Array, count: number, id: Uint8Array) {
  const first = indexOfId(body, count, id);
  if (first < 0) return undefined;
  let last = first;
  while (last + 1 < count && isId(body, last + 1, id)) last++;
  return { first, last };
}

function isId(ids: Uint8Array, index: number, id: Uint8Array): boolean {
  const at = index * ID_BYTES;
  for (let i = 0; i < ID_BYTES; i++) if (ids[at + i] !== id[i]) return false;
  return true;
}

/**
 * The bits of a bloom filter that begins with its header; `undefined` when it is not of the kind
 * that we can ask, which then tells nothing.
 */
export function bloomBits(stored: Uint8Array): Uint8Array | undefined {
  const reader = new ThriftReader(stored);
  let bitBytes = -1;
  let known = true;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    if (reader.fieldId === 1 && type === ThriftType.i32) bitBytes = readCount(reader);
    else if (type === ThriftType.struct) known = isFirstMember(reader) && known;
    else reader.skip(type);
  }
  const bits = stored.subarray(reader.position);
  if (!known || bits.length !== bitBytes || bitBytes < 1) return undefined;
  return bitBytes % BLOOM_BLOCK_BYTES === 0 ? bits : undefined;
}

/** Of the unions for algorithm, hash and compression the first member is the one we know. */
function isFirstMember(reader: ThriftReader): boolean {
  let first = true;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    if (reader.fieldId !== 1) first = false;
    reader.skip(type);
  }
  return first;
}
