import { zstdDecompressExact } from "../../../runtime/compression.ts";
import { corrupt, unsupported } from "./read-error.ts";
import { type ReadAt, readExactly } from "./read-footer.ts";

/** What one request may decompress: bounds its time when the bytes are hostile. */
const MAX_TOTAL_BYTES = 512 << 20;

/** The bytes of a file for one request: a window read ahead, and what lies outside of it. */
export class ByteSource {
  readonly #readAt: ReadAt;
  #window: Uint8Array = new Uint8Array(0);
  #windowOffset = 0;
  #decompressedBytes = 0;

  constructor(readAt: ReadAt) {
    this.#readAt = readAt;
  }

  /** Replaces the window. */
  async prefetch(offset: number, length: number): Promise<void> {
    this.#window = await readExactly(this.#readAt, offset, length);
    this.#windowOffset = offset;
  }

  /** Whether `at` has the bytes `start .. end` without a read. */
  has(start: number, end: number): boolean {
    const from = start - this.#windowOffset;
    return from >= 0 && end - this.#windowOffset <= this.#window.length;
  }

  /** Not a promise when the window has the bytes: most callers need many small pieces. */
  at(offset: number, length: number): Uint8Array | Promise<Uint8Array> {
    const from = offset - this.#windowOffset;
    if (from >= 0 && from + length <= this.#window.length) {
      return this.#window.subarray(from, from + length);
    }
    return readExactly(this.#readAt, offset, length);
  }

  /** The body of a page that has `size` bytes. */
  unpack(stored: Uint8Array, size: number, zstd: boolean): Uint8Array {
    if (!zstd) {
      if (stored.length !== size) throw corrupt("a page is not as long as it says");
      return stored;
    }
    this.#decompressedBytes += size;
    if (this.#decompressedBytes > MAX_TOTAL_BYTES) throw unsupported("too much to decompress");
    let body: Uint8Array;
    try {
      body = zstdDecompressExact(stored, size);
    } catch (cause) {
      throw corrupt("a page does not decompress", cause);
    }
    return body;
  }
}
