/**
 * Numbers 64-bit values in order of appearance. One table serves one column after another
 * (`reset`). The hash is seeded, so that a sender cannot choose colliding numbers.
 */
export class NumberInterner {
  count = 0;
  lo = new Uint32Array(256);
  hi = new Uint32Array(256);
  /** How often each was seen, by weight. */
  weights = new Float64Array(256);
  #slots = new Uint32Array(1024);
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /** Forgets everything; the arrays handed out before stay with their holders. */
  reset(): void {
    this.count = 0;
    this.lo = new Uint32Array(256);
    this.hi = new Uint32Array(256);
    this.weights = new Float64Array(256);
    if (this.#slots.length > 16384) this.#slots = new Uint32Array(1024);
    else this.#slots.fill(0);
  }

  intern(lo: number, hi: number, weight: number): number {
    let h = Math.imul(lo ^ this.#seed, 0x2c1b3c6d);
    h = Math.imul(h ^ (h >>> 15) ^ hi, 0x297a2d39);
    h = Math.imul(h ^ (h >>> 13), 0x85ebca6b);
    h ^= h >>> 16;
    const mask = this.#slots.length - 1;
    let slot = h & mask;
    for (;;) {
      const found = this.#slots[slot]!;
      if (found === 0) break;
      const id = found - 1;
      if (this.lo[id] === lo && this.hi[id] === hi) {
        this.weights[id]! += weight;
        return id;
      }
      slot = (slot + 1) & mask;
    }
    const id = this.count++;
    if (id === this.lo.length) this.#growValues();
    this.lo[id] = lo;
    this.hi[id] = hi;
    this.weights[id] = weight;
    this.#slots[slot] = id + 1;
    if (this.count * 2 > this.#slots.length) this.#rehash();
    return id;
  }

  #growValues(): void {
    const size = this.lo.length * 2;
    const { lo, hi, weights } = this;
    this.lo = new Uint32Array(size);
    this.hi = new Uint32Array(size);
    this.weights = new Float64Array(size);
    this.lo.set(lo);
    this.hi.set(hi);
    this.weights.set(weights);
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 4);
    const mask = slots.length - 1;
    for (let id = 0; id < this.count; id++) {
      let h = Math.imul(this.lo[id]! ^ this.#seed, 0x2c1b3c6d);
      h = Math.imul(h ^ (h >>> 15) ^ this.hi[id]!, 0x297a2d39);
      h = Math.imul(h ^ (h >>> 13), 0x85ebca6b);
      h ^= h >>> 16;
      let slot = h & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.#slots = slots;
  }
}
