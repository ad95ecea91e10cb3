import { bytesToHex, hexToBytes } from "../../util/hex.ts";

/** Trace ids of 16 bytes each, one behind the other: how many of them go to another thread. */
export type PackedTraceIds = ArrayBuffer;

const ID_BYTES = 16;

/** `ids` have 32 hex digits each. */
export function packTraceIds(ids: Iterable<string>): PackedTraceIds {
  const all = [...ids];
  const packed = new Uint8Array(all.length * ID_BYTES);
  for (let i = 0; i < all.length; i++) packed.set(hexToBytes(all[i] as string), i * ID_BYTES);
  return packed.buffer;
}

/** As 32 lower-case hex digits each; about 100 bytes of memory an id. */
export function unpackTraceIds(packed: PackedTraceIds): ReadonlySet<string> {
  const bytes = new Uint8Array(packed);
  const ids = new Set<string>();
  for (let at = 0; at < bytes.length; at += ID_BYTES) {
    ids.add(bytesToHex(bytes.subarray(at, at + ID_BYTES)));
  }
  return ids;
}
