import { promisify } from "node:util";
import {
  constants,
  gunzipSync,
  gzip,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { PintailError } from "../errors.ts";
import { freeBuffer } from "../util/free-buffer.ts";
import { zstdFrames } from "../util/zstd-frames.ts";
import { concatBytes } from "./concat-bytes.ts";

/** Compresses with zstd; `level` 1 is the fastest, 3 the usual. */
export function zstdCompress(bytes: Uint8Array, level: number): Uint8Array {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } });
}

const gzipOnThread = promisify(gzip);

/** Compresses with gzip on another thread: a quarter of the usual effort, for a seventh more bytes. */
export function gzipFast(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return gzipOnThread(bytes, { level: constants.Z_BEST_SPEED });
}

/**
 * Decompresses `bytes` whole. Throws `too_large` as soon as the output exceeds `maxBytes` (a bomb
 * costs no more than that), `malformed` when the input is not valid.
 */
export function decompress(
  codec: "gzip" | "zlib" | "zstd",
  bytes: Uint8Array,
  maxBytes: number,
): Uint8Array {
  const options = { maxOutputLength: maxBytes };
  try {
    switch (codec) {
      case "gzip":
        return gunzipSync(bytes, options);
      case "zlib":
        return inflateSync(bytes, options);
      case "zstd":
        return zstdDecompress(bytes, maxBytes);
    }
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
      throw new PintailError("too_large", `decompressed body exceeds ${maxBytes} bytes`, { cause });
    }
    throw new PintailError("malformed", `invalid ${codec} data`, { cause });
  }
}

/** Node's decoder stops after one frame and says nothing of what follows. */
function zstdDecompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const frames = zstdFrames(bytes);
  const [first] = frames ?? [];
  if (frames === undefined || first === undefined) {
    throw new Error("the data is not made of whole zstd frames");
  }
  if (frames.length === 1) return zstdDecompressSync(first, { maxOutputLength: maxBytes });
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const frame of frames) {
    // The decoder takes no bound of 0; an empty frame passes one of 1.
    const part = zstdDecompressSync(frame, { maxOutputLength: Math.max(1, maxBytes - length) });
    length += part.length;
    if (length > maxBytes) {
      throw Object.assign(new Error("too large"), { code: "ERR_BUFFER_TOO_LARGE" });
    }
    parts.push(part);
  }
  return concatBytes(parts, length);
}

/**
 * Decompresses zstd into exactly `size` bytes, into memory taken at once: for small bodies that is
 * half of the time. Throws `malformed` when the input is not valid or holds another number of bytes.
 */
export function zstdDecompressExact(bytes: Uint8Array, size: number): Uint8Array {
  const chunkSize = exactChunkSize(size);
  let body: Uint8Array | undefined;
  try {
    body = zstdDecompressSync(bytes, { chunkSize, maxOutputLength: Math.max(1, size) });
  } catch (cause) {
    throw new PintailError("malformed", "invalid zstd data", { cause });
  }
  if (body.length === size) return body;
  throw new PintailError("malformed", `zstd data of ${body.length} bytes instead of ${size}`);
}

/** One byte more, or a second buffer would be taken to look for what follows. */
function exactChunkSize(size: number): number {
  return Math.max(constants.Z_MIN_CHUNK, size + 1);
}

/** Gives back what `zstdDecompressExact` took, where it has a buffer of its own; then it is empty. */
export function freeExact({ buffer, length }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === exactChunkSize(length)) {
    freeBuffer(buffer);
  }
}
