import { ByteSink } from "./byte-sink.ts";

const CHUNK_BYTES = 1 << 20;

/** A file in the making: bytes in order, collected in buffers of about 1 MiB. */
export class FileSink {
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  #open = new ByteSink(1 << 16);
  #closedBytes = 0;

  get offset(): number {
    return this.#closedBytes + this.#open.length;
  }

  append(bytes: Uint8Array): void {
    this.#open.append(bytes, 0, bytes.length);
    if (this.#open.length >= CHUNK_BYTES) this.#close(CHUNK_BYTES * 1.25);
  }

  /** The whole file. Every chunk owns its buffer, so it can be transferred. */
  finish(): Uint8Array<ArrayBuffer>[] {
    this.#close(0);
    return this.#chunks;
  }

  #close(nextCapacity: number): void {
    if (this.#open.length > 0) this.#chunks.push(this.#open.bytes.slice(0, this.#open.length));
    this.#closedBytes += this.#open.length;
    this.#open = new ByteSink(nextCapacity);
  }
}
