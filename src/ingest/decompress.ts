import { PintailError } from "../errors.ts";
import { decompress } from "../runtime/compression.ts";
import { decompressLz4Frames } from "./decompress-lz4.ts";
import { decompressSnappyBlock, decompressSnappyFrames } from "./decompress-snappy.ts";
import { BodyEncoding } from "./ingest.ts";

/**
 * The body without its compression, whole; `identity` gives `body` itself. Throws `too_large` when
 * the result is or claims to be more than `maxBytes` (found before that much memory is taken), and
 * `malformed` when `body` is not in that encoding.
 */
export function decompressBody(
  body: Uint8Array,
  encoding: BodyEncoding,
  maxBytes: number,
): Uint8Array {
  switch (encoding) {
    case BodyEncoding.identity:
      if (body.length > maxBytes) {
        throw new PintailError("too_large", `body of ${body.length} bytes exceeds ${maxBytes}`);
      }
      return body;
    case BodyEncoding.gzip:
      return decompress("gzip", body, maxBytes);
    case BodyEncoding.zstd:
      return decompress("zstd", body, maxBytes);
    case BodyEncoding.zlib:
      return decompress("zlib", body, maxBytes);
    case BodyEncoding.snappy:
      return decompressSnappyBlock(body, maxBytes);
    case BodyEncoding.snappyFramed:
      return decompressSnappyFrames(body, maxBytes);
    case BodyEncoding.lz4:
      return decompressLz4Frames(body, maxBytes);
    default:
      throw new Error(`unknown body encoding ${encoding satisfies never}`);
  }
}
