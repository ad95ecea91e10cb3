import { compress } from "snappyjs";

/** `bytes` as one raw snappy block, without frames or checksums: what remote write wants. */
export function compressSnappyBlock(bytes: Uint8Array): Uint8Array {
  // The library takes Buffers for another type.
  return compress(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}
