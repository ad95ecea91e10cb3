import { PintailError } from "../errors.ts";
import { xxh32 } from "../util/xxh32.ts";

const MAGIC = 0x184d2204;
const FIRST_SKIPPABLE = 0x184d2a50;
const LAST_SKIPPABLE = 0x184d2a5f;
/** How far back a match may reach. */
const WINDOW_BYTES = 65_536;

/**
 * LZ4 frames (one or several, skippable ones skipped), linked or independent blocks, with all
 * checksums checked. Dictionaries are not supported. The output grows with what was really
 * decompressed: a frame's claimed content size is only compared.
 */
export function decompressLz4Frames(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const out = new Output(Math.min(maxBytes, bytes.length * 4), maxBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const need = (count: number): number => {
    if (at + count > bytes.length) throw malformed("truncated frame");
    const start = at;
    at += count;
    return start;
  };
  if (bytes.length === 0) throw malformed("no frame");
  while (at < bytes.length) {
    const magic = view.getUint32(need(4), true);
    if (magic >= FIRST_SKIPPABLE && magic <= LAST_SKIPPABLE) {
      need(view.getUint32(need(4), true));
      continue;
    }
    if (magic !== MAGIC) throw malformed("bad magic number");
    at = frame(at);
  }
  return out.bytes.subarray(0, out.length);

  /** One frame, whose descriptor begins at `begin`; returns where it ends. */
  function frame(begin: number): number {
    const flags = bytes[need(2)]!;
    const blockDescriptor = bytes[begin + 1]!;
    if (flags >>> 6 !== 1) throw malformed("unknown frame version");
    if ((flags & 0b10) !== 0 || (blockDescriptor & 0b1000_1111) !== 0) {
      throw malformed("reserved bits are set");
    }
    if ((flags & 1) !== 0) throw malformed("dictionaries are not supported");
    const sizeCode = (blockDescriptor >>> 4) & 7;
    if (sizeCode < 4) throw malformed("bad block size");
    const maxBlockBytes = 1 << (8 + 2 * sizeCode);
    const independent = (flags & 0b10_0000) !== 0;
    const blockChecksum = (flags & 0b1_0000) !== 0;
    const contentChecksum = (flags & 0b100) !== 0;
    const sizeAt = (flags & 0b1000) !== 0 ? need(8) : -1;
    const descriptorEnd = at;
    if (bytes[need(1)] !== ((xxh32(bytes, begin, descriptorEnd) >>> 8) & 0xff)) {
      throw malformed("header checksum mismatch");
    }
    if (sizeAt >= 0 && view.getBigUint64(sizeAt, true) > BigInt(maxBytes - out.length)) {
      throw out.tooLarge();
    }

    const frameStart = out.length;
    for (;;) {
      const header = view.getUint32(need(4), true);
      if (header === 0) break;
      const size = header & 0x7fff_ffff;
      if (size > maxBlockBytes) throw malformed("block larger than declared");
      const start = need(size);
      const blockStart = out.length;
      if (header >>> 31 !== 0) out.append(bytes, start, start + size);
      else {
        const reach = independent ? blockStart : Math.max(frameStart, blockStart - WINDOW_BYTES);
        decompressBlock(bytes, start, start + size, out, reach, blockStart + maxBlockBytes);
      }
      if (blockChecksum && view.getUint32(need(4), true) !== xxh32(bytes, start, start + size)) {
        throw malformed("block checksum mismatch");
      }
    }
    if (sizeAt >= 0 && view.getBigUint64(sizeAt, true) !== BigInt(out.length - frameStart)) {
      throw malformed("content size mismatch");
    }
    if (
      contentChecksum &&
      view.getUint32(need(4), true) !== xxh32(out.bytes, frameStart, out.length)
    ) {
      throw malformed("content checksum mismatch");
    }
    return at;
  }
}

/** One block; matches reach back to `reach` at most, the output must end by `limit`. */
function decompressBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Output,
  reach: number,
  limit: number,
): void {
  let at = start;
  // A length of 15 goes on in further bytes, up to one that is not 255.
  const longLength = (length: number): number => {
    let total = length;
    for (;;) {
      if (at >= end) throw malformed("truncated block");
      const b = bytes[at++]!;
      total += b;
      if (b !== 255) return total;
    }
  };
  while (at < end) {
    const token = bytes[at++]!;
    let literals = token >>> 4;
    if (literals === 15) literals = longLength(15);
    if (literals > end - at) throw malformed("truncated block");
    if (out.length + literals > limit) throw malformed("block larger than declared");
    out.append(bytes, at, at + literals);
    at += literals;
    // The last sequence of a block has no match.
    if (at === end) return;
    if (end - at < 2) throw malformed("truncated block");
    const offset = bytes[at]! | (bytes[at + 1]! << 8);
    at += 2;
    let match = token & 15;
    if (match === 15) match = longLength(15);
    match += 4;
    if (offset === 0 || out.length - offset < reach) throw malformed("match out of reach");
    if (out.length + match > limit) throw malformed("block larger than declared");
    out.copy(offset, match);
  }
  throw malformed("truncated block");
}

class Output {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #maxBytes: number;

  constructor(capacity: number, maxBytes: number) {
    this.bytes = new Uint8Array(capacity);
    this.#maxBytes = maxBytes;
  }

  append(source: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.bytes.set(source.subarray(start, end), this.length);
    this.length += end - start;
  }

  /** Repeats `count` bytes from `offset` before the end; they may overlap what is written. */
  copy(offset: number, count: number): void {
    this.#reserve(count);
    const bytes = this.bytes;
    const from = this.length - offset;
    if (offset >= count) bytes.copyWithin(this.length, from, from + count);
    else for (let i = 0; i < count; i++) bytes[this.length + i] = bytes[from + i]!;
    this.length += count;
  }

  tooLarge(): PintailError {
    return new PintailError("too_large", `decompressed body exceeds ${this.#maxBytes} bytes`);
  }

  #reserve(count: number): void {
    const needed = this.length + count;
    if (needed > this.#maxBytes) throw this.tooLarge();
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, this.bytes.length * 2)));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}

function malformed(detail: string): PintailError {
  return new PintailError("malformed", `invalid lz4 data: ${detail}`);
}
