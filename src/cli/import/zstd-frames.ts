import type { ByteReader } from "./byte-reader.ts";
import { ImportFileError } from "./import-file-error.ts";

const MAGIC = 0xfd2fb528;
const FIRST_SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MAGICS = 16;
/** The magic and the byte that says what else the header has. */
const HEADER_START_BYTES = 5;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const SKIP_BYTES = 64 * 1024;

/** Of a block that repeats one byte; its size is that of its content then. */
const RUN_LENGTH_BLOCK = 1;
const RESERVED_BLOCK = 3;

/**
 * Goes on to the next frame of a zstd stream, over those that hold nothing; false at the end. Node's
 * decoder stops after one frame and says nothing of others, which parallel or appended compression
 * writes. Source: RFC 8878.
 */
export async function nextFrame(reader: ByteReader): Promise<boolean> {
  while (await reader.fill(1)) {
    if (!(await reader.fill(4))) throw cut();
    const magic = numberAt(reader, 0, 4);
    if (magic === MAGIC) return true;
    const isSkippable = magic - FIRST_SKIPPABLE_MAGIC < SKIPPABLE_MAGICS;
    if (magic < FIRST_SKIPPABLE_MAGIC || !isSkippable) {
      throw new ImportFileError("what follows a zstd frame is none");
    }
    if (!(await reader.fill(8))) throw cut();
    let left = 8 + numberAt(reader, 4, 4);
    while (left > 0) {
      const step = Math.min(left, SKIP_BYTES);
      if (!(await reader.fill(step))) throw cut();
      reader.skip(step);
      left -= step;
    }
  }
  return false;
}

/** The bytes of the frame that `reader` is at, in pieces of a block. */
export async function* frameBytes(
  reader: ByteReader,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  if (!(await reader.fill(HEADER_START_BYTES))) throw cut();
  const descriptor = numberAt(reader, 4, 1);
  yield await taken(reader, headerBytes(descriptor));
  for (let isLast = false; !isLast; ) {
    if (!(await reader.fill(BLOCK_HEADER_BYTES))) throw cut();
    const header = numberAt(reader, 0, BLOCK_HEADER_BYTES);
    isLast = (header & 1) === 1;
    const type = (header >>> 1) & 3;
    if (type === RESERVED_BLOCK) throw new ImportFileError("this is no zstd block");
    const size = type === RUN_LENGTH_BLOCK ? 1 : header >>> 3;
    yield await taken(reader, BLOCK_HEADER_BYTES + size);
  }
  const hasChecksum = (descriptor & 0b100) !== 0;
  if (hasChecksum) yield await taken(reader, CHECKSUM_BYTES);
}

function headerBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0b10_0000) !== 0;
  const windowBytes = isSingleSegment ? 0 : 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeFlag;
  return HEADER_START_BYTES + windowBytes + dictionaryBytes + sizeBytes;
}

async function taken(reader: ByteReader, count: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await reader.take(count);
  if (bytes === undefined) throw cut();
  return bytes;
}

/** Little endian, of bytes that are there. */
function numberAt(reader: ByteReader, at: number, bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value += reader.available[at + i]! * 2 ** (8 * i);
  return value;
}

function cut(): ImportFileError {
  return new ImportFileError("the file ends within a frame");
}
