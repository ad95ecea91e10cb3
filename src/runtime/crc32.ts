import { crc32 as zlibCrc32 } from "node:zlib";

/** CRC-32 (as in zlib, gzip, PNG) of `bytes`, continuing from `seed`, as an unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
