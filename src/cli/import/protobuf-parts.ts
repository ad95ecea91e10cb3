import type { ByteReader } from "./byte-reader.ts";
import { ImportFileError, MAX_PART_BYTES } from "./import-file-error.ts";

type Parts = AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;

const RESOURCE_SPANS_TAG = 0x0a;
const MAX_VARINT_BYTES = 10;
const SKIP_BYTES = 64 * 1024;

/** The ResourceSpans of one message, however large that is; other fields are left out. */
export async function* protobufParts(reader: ByteReader): Parts {
  while (await reader.fill(1)) {
    const at = reader.position;
    const tag = await varint(reader, 0);
    if (tag.value !== RESOURCE_SPANS_TAG) {
      reader.skip(tag.bytes);
      await skipField(reader, tag.value, at);
      continue;
    }
    const length = await varint(reader, tag.bytes);
    checkLength(length.value, at);
    const part = await reader.take(tag.bytes + length.bytes + length.value);
    if (part === undefined) throw truncated(at);
    yield part;
  }
}

/** Messages behind their length in 32 bits, big endian. */
export async function* framedMessages(reader: ByteReader): Parts {
  while (await reader.fill(1)) {
    const at = reader.position;
    if (!(await reader.fill(4))) throw truncated(at);
    const { available } = reader;
    const view = new DataView(available.buffer, available.byteOffset);
    yield await messageOf(reader, view.getUint32(0), 4, at);
  }
}

/** Messages behind their length as a varint. */
export async function* varintMessages(reader: ByteReader): Parts {
  while (await reader.fill(1)) {
    const at = reader.position;
    const { value, bytes } = await varint(reader, 0);
    yield await messageOf(reader, value, bytes, at);
  }
}

async function messageOf(
  reader: ByteReader,
  length: number,
  lengthBytes: number,
  at: number,
): Promise<Uint8Array<ArrayBuffer>> {
  // Nobody writes empty ones, and of zeros there may be any number.
  if (length === 0) throw new ImportFileError(`byte ${at}: a message of length 0`);
  checkLength(length, at);
  reader.skip(lengthBytes);
  const message = await reader.take(length);
  if (message === undefined) throw truncated(at);
  return message;
}

/** The varint that begins `offset` bytes on; nothing is taken. Exact up to 2^53. */
async function varint(
  reader: ByteReader,
  offset: number,
): Promise<{ value: number; bytes: number }> {
  let value = 0;
  for (let i = 0; i < MAX_VARINT_BYTES; i++) {
    if (!(await reader.fill(offset + i + 1))) throw truncated(reader.position);
    const byte = reader.available[offset + i]!;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, bytes: i + 1 };
  }
  throw new ImportFileError(`byte ${reader.position}: this is no protobuf`);
}

async function skipField(reader: ByteReader, tag: number, at: number): Promise<void> {
  const isField = tag >= 8 && tag < 2 ** 32;
  switch (isField ? tag % 8 : -1) {
    case 0:
      reader.skip((await varint(reader, 0)).bytes);
      return;
    case 1:
      await skip(reader, 8, at);
      return;
    case 2: {
      const { value, bytes } = await varint(reader, 0);
      reader.skip(bytes);
      await skip(reader, value, at);
      return;
    }
    case 5:
      await skip(reader, 4, at);
      return;
    default:
      throw new ImportFileError(`byte ${at}: this is no protobuf`);
  }
}

async function skip(reader: ByteReader, count: number, at: number): Promise<void> {
  for (let left = count; left > 0; ) {
    const step = Math.min(left, SKIP_BYTES);
    if (!(await reader.fill(step))) throw truncated(at);
    reader.skip(step);
    left -= step;
  }
}

function checkLength(length: number, at: number): void {
  if (length <= MAX_PART_BYTES) return;
  throw new ImportFileError(`byte ${at}: ${length} bytes in one piece exceed ${MAX_PART_BYTES}`);
}

function truncated(at: number): ImportFileError {
  return new ImportFileError(`the file ends within what begins at byte ${at}`);
}
