import { createReadStream } from "node:fs";
import { Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { ByteReader } from "./byte-reader.ts";
import { compressionOf } from "./compression-of.ts";
import { ImportFileError } from "./import-file-error.ts";
import { frameBytes, nextFrame } from "./zstd-frames.ts";

type Chunks = AsyncGenerator<Uint8Array, void, void>;

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
  switch (compressionOf(raw.available)) {
    case "gzip":
      return new ByteReader(closing(raw, decoded(rest(raw), createGunzip(), "gzip")));
    case "zstd":
      return new ByteReader(closing(raw, zstdDecoded(raw)));
    default:
      return raw;
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array | string>,
  onRead: (bytes: number) => void,
): Chunks {
  for await (const chunk of chunks) {
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    onRead(bytes.length);
    yield bytes;
  }
}

async function* closing(raw: ByteReader, chunks: Chunks): Chunks {
  try {
    yield* chunks;
  } finally {
    await raw.close();
  }
}

async function* zstdDecoded(raw: ByteReader): Chunks {
  while (await nextFrame(raw)) yield* decoded(frameBytes(raw), createZstdDecompress(), "zstd");
}

async function* decoded(source: Chunks, decoder: Transform, compression: string): Chunks {
  const readable = Readable.from(source, { objectMode: false });
  // An error of the file reaches the reader through the decoder.
  readable.once("error", (error) => decoder.destroy(error));
  readable.pipe(decoder);
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `its ${compression} data are not whole or not valid: ${reason}`;
    throw new ImportFileError(message, { cause });
  } finally {
    readable.destroy();
    decoder.destroy();
  }
}

async function* rest(raw: ByteReader): Chunks {
  while (await raw.fill(1)) {
    const bytes = raw.available.slice();
    raw.skip(bytes.length);
    yield bytes;
  }
}
