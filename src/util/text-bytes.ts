import { freeBuffer } from "./free-buffer.ts";

const FIRST_BYTES = 64 * 1024;
const MAX_FIRST_BYTES = 16 * 1024 * 1024;
/** A UTF-16 unit takes so many in UTF-8 at most. */
const MAX_UNIT_BYTES = 3;

const encoder = new TextEncoder();

/** A long text as UTF-8, encoded piece by piece, so that its pieces do not gather in the heap. */
export class TextBytes {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** `expectedBytes`: of the whole text, about; there may be more. */
  constructor(expectedBytes = FIRST_BYTES) {
    this.#bytes = new Uint8Array(Math.min(expectedBytes, MAX_FIRST_BYTES));
  }

  append(text: string): void {
    const needed = this.#length + MAX_UNIT_BYTES * text.length;
    if (needed > this.#bytes.length) {
      const longer = new Uint8Array(Math.max(2 * this.#bytes.length, needed));
      longer.set(this.#bytes.subarray(0, this.#length));
      freeBuffer(this.#bytes.buffer);
      this.#bytes = longer;
    }
    this.#length += encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }

  /** A view of what was appended until now, good until more is. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }
}
