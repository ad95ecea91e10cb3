const MIN_TUPLES = 64;

/** Numbers equal tuples of integers of one width alike, from 0 on. */
export class TupleTable {
  readonly #width: number;
  /** What the next `number` is asked of. */
  readonly tuple: Int32Array;
  #tuples: Int32Array;
  #hashes: Int32Array;
  /** Number + 1, or 0 for a free place; at most half full. */
  #places: Uint32Array;
  count = 0;

  constructor(width: number) {
    this.#width = width;
    this.tuple = new Int32Array(width);
    this.#tuples = new Int32Array(MIN_TUPLES * width);
    this.#hashes = new Int32Array(MIN_TUPLES);
    this.#places = new Uint32Array(2 * MIN_TUPLES);
  }

  /** The number of `tuple`: `count` of before when it is new. */
  number(): number {
    const { tuple } = this;
    let hash = 0;
    for (let i = 0; i < this.#width; i++) {
      hash = Math.imul(hash ^ tuple[i]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const mask = this.#places.length - 1;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const found = this.#places[place]!;
      if (found === 0) return this.#add(hash);
      if (this.#hashes[found - 1] === hash && this.#isAt(found - 1)) return found - 1;
    }
  }

  #isAt(number: number): boolean {
    const at = number * this.#width;
    for (let i = 0; i < this.#width; i++) {
      if (this.#tuples[at + i] !== this.tuple[i]) return false;
    }
    return true;
  }

  #add(hash: number): number {
    if (this.count === this.#hashes.length) this.#grow();
    const number = this.count++;
    this.#hashes[number] = hash;
    this.#tuples.set(this.tuple, number * this.#width);
    this.#place(number);
    return number;
  }

  #grow(): void {
    const { length } = this.#hashes;
    const tuples = new Int32Array(2 * length * this.#width);
    tuples.set(this.#tuples);
    this.#tuples = tuples;
    const hashes = new Int32Array(2 * length);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#places = new Uint32Array(4 * length);
    for (let number = 0; number < length; number++) this.#place(number);
  }

  #place(number: number): void {
    const mask = this.#places.length - 1;
    let place = this.#hashes[number]! & mask;
    while (this.#places[place] !== 0) place = (place + 1) & mask;
    this.#places[place] = number + 1;
  }
}
