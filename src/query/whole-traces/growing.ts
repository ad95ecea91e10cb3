interface Numbers<T> {
  readonly length: number;
  [index: number]: T;
  set(values: this): void;
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
    if (this.#length === this.#array.length) {
      const larger = this.#make(2 * this.#length);
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.#length++] = value;
  }

  /** A view of what was pushed. */
  values(): A {
    return this.#array.subarray(0, this.#length);
  }
}
