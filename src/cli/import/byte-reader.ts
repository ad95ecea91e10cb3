const FIRST_WINDOW_BYTES = 64 * 1024;

/**
 * Bytes of a stream, as far as they were asked for. What is not taken yet stands in one window, which
 * grows with what came, never with what a length in the stream claims.
 */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #window = new Uint8Array(FIRST_WINDOW_BYTES);
  #start = 0;
  #end = 0;
  #taken = 0;
  #ended = false;
  #failure: { readonly cause: unknown } | undefined;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#taken;
  }

  /** What came and was not taken; valid until the next call. */
  get available(): Uint8Array<ArrayBuffer> {
    return this.#window.subarray(this.#start, this.#end);
  }

  /**
   * Reads on until at least `count` bytes are available; false when the stream ends before. Rejects
   * when it fails before, each time: what came is available all the same.
   */
  async fill(count: number): Promise<boolean> {
    while (this.#end - this.#start < count) {
      if (this.#failure !== undefined) throw this.#failure.cause;
      if (this.#ended) return false;
      try {
        const { value, done } = await this.#chunks.next();
        if (done === true) this.#ended = true;
        else this.#append(value);
      } catch (cause) {
        this.#failure = { cause };
      }
    }
    return true;
  }

  /** Takes bytes that are available. */
  skip(count: number): void {
    this.#start += count;
    this.#taken += count;
  }

  /** A copy of the next `count` bytes, or `undefined` when the stream ends before. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!(await this.fill(count))) return undefined;
    const bytes = this.available.slice(0, count);
    this.skip(count);
    return bytes;
  }

  /** Lets go of the stream. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #append(chunk: Uint8Array): void {
    const length = this.#end - this.#start;
    if (this.#end + chunk.length > this.#window.length) {
      const size = Math.max(length + chunk.length, FIRST_WINDOW_BYTES);
      const fits = size <= this.#window.length;
      const window = fits ? this.#window : new Uint8Array(size * 2);
      window.set(this.available, 0);
      this.#window = window;
      this.#start = 0;
      this.#end = length;
    }
    this.#window.set(chunk, this.#end);
    this.#end += chunk.length;
  }
}
