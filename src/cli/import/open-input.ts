import { createReadStream } from "node:fs";
import { Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { ByteReader } from "./byte-reader.ts";
import { compressionOf } from "./compression-of.ts";
import { ImportFileError } from "./import-file-error.ts";

const MAGIC_BYTES = 4;

/**
 * The bytes of a file, or of standard input for "-", without the compression that they begin with
 * (gzip, zstd). `onRead` is told of bytes as they are read, still compressed.
 */
export async function openInput(
  path: string,
  stdin: AsyncIterable<Uint8Array | string>,
  onRead: (bytes: number) => void,
): Promise<ByteReader> {
  const chunks = path === "-" ? stdin : createReadStream(path);
  const raw = new ByteReader(counted(chunks, onRead));
  await raw.fill(MAGIC_BYTES);
  const compression = compressionOf(raw.available);
  if (compression === undefined) return raw;
  const decoder = compression === "gzip" ? createGunzip() : createZstdDecompress();
  return new ByteReader(decompressed(raw, decoder, compression));
}

async function* counted(
  chunks: AsyncIterable<Uint8Array | string>,
  onRead: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    onRead(bytes.length);
    yield bytes;
  }
}

async function* decompressed(
  raw: ByteReader,
  decoder: Transform,
  compression: string,
): AsyncGenerator<Uint8Array, void, void> {
  const source = Readable.from(rest(raw), { objectMode: false });
  // An error of the file reaches the reader through the decoder.
  source.once("error", (error) => decoder.destroy(error));
  source.pipe(decoder);
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ImportFileError(`the ${compression} data is not whole or not valid: ${reason}`, {
      cause,
    });
  } finally {
    source.destroy();
    decoder.destroy();
  }
}

async function* rest(raw: ByteReader): AsyncGenerator<Uint8Array, void, void> {
  try {
    while (await raw.fill(1)) {
      const bytes = raw.available.slice();
      raw.skip(bytes.length);
      yield bytes;
    }
  } finally {
    await raw.close();
  }
}
