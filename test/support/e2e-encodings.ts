import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { compress } from "snappyjs";
import { concatBytes } from "../../src/util/concat-bytes.ts";
import { crc32c } from "../../src/util/crc32c.ts";
import { xxh32 } from "../../src/util/xxh32.ts";

/** A body in every encoding of OTLP/HTTP: name, Content-Encoding, bytes. */
export function encodedBodies(bytes: Uint8Array): [string, string, Uint8Array][] {
  return [
    ["gzip", "gzip", gzipSync(bytes)],
    ["zstd", "zstd", zstdCompressSync(bytes)],
    ["deflate", "deflate", deflateSync(bytes)],
    ["zlib", "zlib", deflateSync(bytes)],
    ["snappy block", "snappy", compress(bytes)],
    ["snappy framed", "snappy", snappyFramed(bytes)],
    ["lz4", "lz4", lz4Stored(bytes)],
  ];
}

/** The framing format, in chunks of 1000 bytes, so that there are several. */
function snappyFramed(bytes: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [Uint8Array.of(0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59)];
  for (let at = 0; at < bytes.length; at += 1000) {
    const piece = bytes.slice(at, at + 1000);
    const data = compress(piece);
    const length = data.length + 4;
    const crc = crc32c(piece);
    const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
    chunks.push(
      Uint8Array.of(0, length, length >>> 8, length >>> 16),
      Uint8Array.of(masked, masked >>> 8, masked >>> 16, masked >>> 24),
      data,
    );
  }
  return concatBytes(chunks);
}

/** A frame of stored blocks of at most 64 KiB. */
function lz4Stored(bytes: Uint8Array): Uint8Array {
  const descriptor = Uint8Array.of(0x60, 0x40);
  const chunks: Uint8Array[] = [
    Uint8Array.of(0x04, 0x22, 0x4d, 0x18),
    descriptor,
    Uint8Array.of(xxh32(descriptor) >>> 8),
  ];
  for (let at = 0; at < bytes.length; at += 65_536) {
    const piece = bytes.subarray(at, at + 65_536);
    const size = piece.length | 0x80000000;
    chunks.push(Uint8Array.of(size, size >>> 8, size >>> 16, size >>> 24), piece);
  }
  return concatBytes([...chunks, new Uint8Array(4)]);
}
