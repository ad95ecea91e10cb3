const MAGIC = 0xfd2fb528;
const FIRST_SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MAGICS = 16;
const CHECKSUM_BYTES = 4;
/** Of a block that repeats one byte; its size is that of its content then. */
const RUN_LENGTH_BLOCK = 1;
const RESERVED_BLOCK = 3;
/** Parallel compressors write a frame for megabytes; each frame costs a decoder of its own. */
export const MAX_ZSTD_FRAMES = 1000;

/**
 * The frames of zstd data that hold something, in order; together with skippable ones they are all
 * of `bytes`. Only lengths are looked at. `undefined` when the data is cut off, is something else,
 * or has more than `MAX_ZSTD_FRAMES` frames. Source: RFC 8878.
 */
export function zstdFrames(bytes: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 8 > bytes.length) return undefined;
    const magic = view.getUint32(at, true);
    if (magic >= FIRST_SKIPPABLE_MAGIC && magic - FIRST_SKIPPABLE_MAGIC < SKIPPABLE_MAGICS) {
      at += 8 + view.getUint32(at + 4, true);
      if (at > bytes.length) return undefined;
      continue;
    }
    const end = magic === MAGIC ? frameEnd(bytes, at) : undefined;
    if (end === undefined || frames.length === MAX_ZSTD_FRAMES) return undefined;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

function frameEnd(bytes: Uint8Array, start: number): number | undefined {
  const descriptor = bytes[start + 4]!;
  let at = start + headerBytes(descriptor);
  for (let isLast = false; !isLast; ) {
    if (at + 3 > bytes.length) return undefined;
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    isLast = (header & 1) === 1;
    const type = (header >>> 1) & 3;
    if (type === RESERVED_BLOCK) return undefined;
    at += 3 + (type === RUN_LENGTH_BLOCK ? 1 : header >>> 3);
  }
  if ((descriptor & 0b100) !== 0) at += CHECKSUM_BYTES;
  return at <= bytes.length ? at : undefined;
}

function headerBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0b10_0000) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = sizeFlag === 0 ? Number(isSingleSegment) : 2 ** sizeFlag;
  return 5 + Number(!isSingleSegment) + dictionaryBytes + sizeBytes;
}
