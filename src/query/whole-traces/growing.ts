interface Numbers<T> {
  readonly length: number;
  [index: number]: T;
  set(values: this, at?: number): void;
  subarray(from: number, to: number): this;
}

const FIRST_LENGTH = 1024;

/** A typed array of a length that is not known before. */
export class Growing<T, A extends Numbers<T>> {
  readonly #make: (length: number) => A;
  #array: A;
  #length = 0;

  constructor(make: (length: number) => A) {
    this.#make = make;
    this.#array = make(FIRST_LENGTH);
  }

  get length(): number {
    return this.#length;
  }

  push(value: T): void {
    if (this.#length === this.#array.length) this.#grow(this.#length + 1);
    this.#array[this.#length++] = value;
  }

  pushAll(values: A): void {
    const length = this.#length + values.length;
    if (length > this.#array.length) this.#grow(length);
    this.#array.set(values, this.#length);
    this.#length = length;
  }

  /** Gives back the room that was made for more. */
  trim(): void {
    const exact = this.#make(this.#length);
    exact.set(this.values());
    this.#array = exact;
  }

  #grow(length: number): void {
    const larger = this.#make(Math.max(length, 2 * this.#array.length));
    larger.set(this.values());
    this.#array = larger;
  }

  /** A view of what was pushed. */
  values(): A {
    return this.#array.subarray(0, this.#length);
  }
}
