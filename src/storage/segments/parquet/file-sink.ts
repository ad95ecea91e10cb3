import { ByteSink } from "./byte-sink.ts";

const MIN_CHUNK_BYTES = 1 << 14;
const CHUNK_BYTES = 1 << 20;
/** A chunk ends with the page that fills it. */
const MAX_CHUNK_BYTES = 1.25 * CHUNK_BYTES;

/** A file in the making: bytes in order, collected in buffers of about 1 MiB. */
export class FileSink {
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  #open: ByteSink;
  #closedBytes = 0;

  /** `expectedBytes` is how large the file may become, as far as one can tell. */
  constructor(expectedBytes: number) {
    this.#open = new ByteSink(Math.min(Math.max(expectedBytes, MIN_CHUNK_BYTES), MAX_CHUNK_BYTES));
  }

  get offset(): number {
    return this.#closedBytes + this.#open.length;
  }

  append(bytes: Uint8Array): void {
    this.#open.append(bytes, 0, bytes.length);
    if (this.#open.length >= CHUNK_BYTES) this.#close(MAX_CHUNK_BYTES);
  }

  /** The whole file. No two chunks share a buffer. */
  finish(): Uint8Array<ArrayBuffer>[] {
    this.#close(0);
    return this.#chunks;
  }

  #close(nextCapacity: number): void {
    if (this.#open.length > 0) this.#chunks.push(this.#open.bytes.subarray(0, this.#open.length));
    this.#closedBytes += this.#open.length;
    this.#open = new ByteSink(nextCapacity);
  }
}
