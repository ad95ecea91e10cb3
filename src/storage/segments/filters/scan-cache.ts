type Held<V> = {
  readonly value: V;
  readonly bytes: number;
  /** Number of the scan that used it last. */
  scan: number;
};

/**
 * What was used last, up to a number of bytes. Whoever goes through many keys once, a scan, says so
 * by a number: what a scan has used makes no room for what the same scan uses later, so that of more
 * than there is room for some is still here when the next scan goes the same way.
 */
export class ScanCache<V> {
  readonly #maxBytes: number;
  /** Least recently used first. */
  readonly #held = new Map<string, Held<V>>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string, scan: number): V | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    held.scan = scan;
    this.#held.delete(key);
    this.#held.set(key, held);
    return held.value;
  }

  put(key: string, value: V, bytes: number, scan: number): void {
    this.#drop(key);
    for (const [oldest, held] of this.#held) {
      if (this.#bytes + bytes <= this.#maxBytes) break;
      if (held.scan === scan) return;
      this.#drop(oldest);
    }
    if (this.#bytes + bytes > this.#maxBytes) return;
    this.#held.set(key, { value, bytes, scan });
    this.#bytes += bytes;
  }

  #drop(key: string): void {
    this.#bytes -= this.#held.get(key)?.bytes ?? 0;
    this.#held.delete(key);
  }
}
