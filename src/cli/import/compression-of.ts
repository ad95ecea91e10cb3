const GZIP = [0x1f, 0x8b] as const;
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd] as const;

/** What the bytes are compressed with, told by how they begin. */
export function compressionOf(start: Uint8Array): "gzip" | "zstd" | undefined {
  if (GZIP.every((byte, i) => start[i] === byte)) return "gzip";
  if (ZSTD.every((byte, i) => start[i] === byte)) return "zstd";
  return undefined;
}
