import { uncompress } from "snappyjs";
import { PintailError } from "../errors.ts";
import { concatBytes } from "../util/concat-bytes.ts";
import { crc32c } from "../util/crc32c.ts";

/** The format's bound on what one chunk of a framed stream holds. */
const MAX_CHUNK_BYTES = 65_536;
const STREAM_IDENTIFIER = [0x73, 0x4e, 0x61, 0x50, 0x70, 0x59];
const Chunk = { compressed: 0x00, uncompressed: 0x01, firstSkippable: 0x80, identifier: 0xff };

/** A raw snappy block: its length as a varint, then literals and copies. */
export function decompressSnappyBlock(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const length = claimedLength(bytes);
  if (length > maxBytes) {
    throw new PintailError("too_large", `decompressed body exceeds ${maxBytes} bytes`);
  }
  // A copy element makes at most 64 bytes of 3, so more than this is a claim without content.
  if (length > bytes.length * 64) throw malformed("the claimed length is not reached");
  // The library gives what it read of a block that ends early, with zeros behind; the elements
  // are added up first.
  if (producedLength(bytes) !== length) throw malformed("the claimed length is not reached");
  try {
    return uncompress(plain(bytes), maxBytes);
  } catch (cause) {
    throw new PintailError("malformed", "invalid snappy data", { cause });
  }
}

/** A framed snappy stream (or several, one after another) with its checksums. */
export function decompressSnappyFrames(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  let at = 0;
  let identified = false;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw malformed("truncated chunk header");
    const type = bytes[at]!;
    const length = bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16);
    const start = at + 4;
    const end = start + length;
    if (end > bytes.length) throw malformed("truncated chunk");
    at = end;
    if (type === Chunk.identifier) {
      if (length !== 6 || STREAM_IDENTIFIER.some((byte, i) => bytes[start + i] !== byte)) {
        throw malformed("bad stream identifier");
      }
      identified = true;
      continue;
    }
    if (!identified) throw malformed("no stream identifier");
    if (type >= Chunk.firstSkippable) continue;
    if (type > Chunk.uncompressed) throw malformed(`unknown chunk type ${type}`);
    if (length < 4) throw malformed("chunk without checksum");
    const content = bytes.subarray(start + 4, end);
    const room = maxBytes - total;
    const size = type === Chunk.compressed ? claimedLength(content) : content.length;
    if (size > MAX_CHUNK_BYTES) throw malformed(`chunk of ${size} bytes`);
    if (size > room) {
      throw new PintailError("too_large", `decompressed body exceeds ${maxBytes} bytes`);
    }
    const chunk = type === Chunk.compressed ? decompressSnappyBlock(content, room) : content;
    const expected =
      (bytes[start]! |
        (bytes[start + 1]! << 8) |
        (bytes[start + 2]! << 16) |
        (bytes[start + 3]! << 24)) >>>
      0;
    if (maskedCrc32c(chunk) !== expected) throw malformed("checksum mismatch");
    total += chunk.length;
    if (chunk.length > 0) chunks.push(chunk);
  }
  if (!identified) throw malformed("no stream identifier");
  return concatBytes(chunks);
}

/** The framing format's CRC: rotated and offset, so that a CRC over CRCs stays useful. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function claimedLength(bytes: Uint8Array): number {
  let length = 0;
  let scale = 1;
  for (let i = 0; i < 5; i++) {
    const b = bytes[i];
    if (b === undefined) break;
    length += (b & 0x7f) * scale;
    if (b < 0x80) {
      if (length > 0xffff_ffff) break;
      return length;
    }
    scale *= 128;
  }
  throw malformed("bad length");
}

/** How many bytes the elements of a block make, without making them. */
function producedLength(bytes: Uint8Array): number {
  let at = 0;
  while (bytes[at]! >= 0x80) at++;
  at++;
  let produced = 0;
  while (at < bytes.length) {
    const element = bytes[at++]!;
    switch (element & 3) {
      case 0: {
        let length = (element >>> 2) + 1;
        if (length > 60) {
          const size = length - 60;
          length = 1;
          for (let i = 0; i < size; i++) length += (bytes[at + i] ?? 0) * 2 ** (8 * i);
          at += size;
        }
        at += length;
        produced += length;
        break;
      }
      case 1:
        produced += ((element >>> 2) & 7) + 4;
        at += 1;
        break;
      case 2:
        produced += (element >>> 2) + 1;
        at += 2;
        break;
      default:
        produced += (element >>> 2) + 1;
        at += 4;
    }
    if (at > bytes.length) throw malformed("truncated element");
  }
  return produced;
}

/** The library takes Buffers for another type. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function malformed(detail: string): PintailError {
  return new PintailError("malformed", `invalid snappy data: ${detail}`);
}
