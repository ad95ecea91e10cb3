import { xxh64 } from "../../util/xxh64.ts";
import { buildFuseFilter, fuseContains } from "./fuse-filter.ts";
import { BLOOM_BLOCK_BYTES, bloomContains, bloomInsert } from "./parquet/bloom-filter.ts";

/** Of the bloom form: about one in a hundred absent ids is taken for present. */
const BITS_PER_TRACE = 12;
/** So few fit one bloom block with fewer bytes and fewer mistakes. */
const MAX_BLOCK_TRACES = 8;

/**
 * A filter over `count` trace ids of 16 bytes each in `traceIds`; ids may be there several times. About
 * one in 65,000 absent ids is taken for present. For more than a few ids it is a fuse filter, about
 * 18 bits for each; else, and should that not succeed, a split-block bloom filter of whole blocks.
 */
export function buildTraceFilter(traceIds: Uint8Array, count: number): Uint8Array<ArrayBuffer> {
  const hashes = new Uint32Array(2 * count);
  const hash = new Uint32Array(2);
  for (let i = 0; i < count; i++) {
    xxh64(traceIds, 16 * i, 16 * i + 16, hash);
    hashes[2 * i] = hash[0]!;
    hashes[2 * i + 1] = hash[1]!;
  }
  if (count <= MAX_BLOCK_TRACES) return buildBloomFilter(hashes);
  return buildFuseFilter(hashes) ?? buildBloomFilter(hashes);
}

/** The form of segments written before there was the fuse filter. */
function buildBloomFilter(hashes: Uint32Array): Uint8Array<ArrayBuffer> {
  const bytes = ((hashes.length >>> 1) * BITS_PER_TRACE) / 8;
  const blocks = Math.max(1, Math.ceil(bytes / BLOOM_BLOCK_BYTES));
  const words = new Uint32Array(blocks * 8);
  for (let i = 0; i < hashes.length; i += 2) bloomInsert(words, hashes[i]!, hashes[i + 1]!);
  return new Uint8Array(words.buffer);
}

/**
 * Whether the segment may hold the trace: false positives are possible, misses are not. A filter
 * of no known form (a newer writer's) tells nothing, so it answers true.
 */
export function mayContain(filter: Uint8Array, traceId16: Uint8Array): boolean {
  return mayContainHash(filter, traceIdHash(traceId16));
}

/** For one id and many filters. */
export function traceIdHash(traceId16: Uint8Array): Uint32Array {
  const hash = new Uint32Array(2);
  xxh64(traceId16, 0, 16, hash);
  return hash;
}

export function mayContainHash(filter: Uint8Array, hash: Uint32Array): boolean {
  if (filter.length === 0) return true;
  // Whole blocks: the fuse filter is never so long.
  if (filter.length % BLOOM_BLOCK_BYTES === 0) return bloomContains(filter, hash[0]!, hash[1]!);
  return fuseContains(filter, hash[0]!, hash[1]!) ?? true;
}
