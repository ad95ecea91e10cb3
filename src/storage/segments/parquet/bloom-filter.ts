/**
 * Parquet's split-block bloom filter: blocks of 32 bytes, one bit in each of a block's eight words.
 * Hashes are XXH64 in two halves.
 */
const SALT = new Uint32Array([
  0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
]);

export const BLOOM_BLOCK_BYTES = 32;

/** Sets the hash's bits. `words` are the filter's u32 words, little endian in memory. */
export function bloomInsert(words: Uint32Array, hashLo: number, hashHi: number): void {
  const block = blockOf(words.length >>> 3, hashHi);
  for (let i = 0; i < 8; i++) {
    words[8 * block + i]! |= 1 << (Math.imul(hashLo, SALT[i]!) >>> 27);
  }
}

/** False when the hash was certainly never inserted. The filter is `bytes[from .. to]`. */
export function bloomContains(
  bytes: Uint8Array,
  hashLo: number,
  hashHi: number,
  from = 0,
  to = bytes.length,
): boolean {
  const block = from + 32 * blockOf((to - from) >>> 5, hashHi);
  for (let i = 0; i < 8; i++) {
    const bit = Math.imul(hashLo, SALT[i]!) >>> 27;
    if ((bytes[block + 4 * i + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

/** The high half scaled to the number of blocks: exact, since both factors are below 2^32 and the
 * product's low bits cannot carry past what a double rounds (blocks are below 2^21). */
function blockOf(blocks: number, hashHi: number): number {
  return Math.floor(((hashHi >>> 0) * blocks) / 4294967296);
}
