import { xxh64 } from "../../util/xxh64.ts";
import { BLOOM_BLOCK_BYTES, bloomContains, bloomInsert } from "./parquet/bloom-filter.ts";

/** About one in a hundred absent ids is taken for present. */
const BITS_PER_TRACE = 12;

/**
 * A split-block bloom filter over `count` trace ids of 16 bytes each in `traceIds`, about 12 bits
 * for each, at least one block of 32 bytes.
 */
export function buildTraceFilter(traceIds: Uint8Array, count: number): Uint8Array<ArrayBuffer> {
  const blocks = Math.max(1, Math.ceil((count * BITS_PER_TRACE) / 8 / BLOOM_BLOCK_BYTES));
  const words = new Uint32Array(blocks * 8);
  const hash = new Uint32Array(2);
  for (let i = 0; i < count; i++) {
    xxh64(traceIds, 16 * i, 16 * i + 16, hash);
    bloomInsert(words, hash[0]!, hash[1]!);
  }
  return new Uint8Array(words.buffer);
}

/**
 * Whether the segment may hold the trace: false positives are possible, misses are not. A filter of
 * a length that no writer makes tells nothing, so it answers true.
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
  if (filter.length === 0 || filter.length % BLOOM_BLOCK_BYTES !== 0) return true;
  return bloomContains(filter, hash[0]!, hash[1]!);
}
