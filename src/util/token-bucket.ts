/** Admits amounts at `ratePerSecond` on average and `capacity` at once; starts full. */
export class TokenBucket {
  #level: number;
  #atMs: number;
  #ratePerSecond: number;
  #capacity: number;

  constructor(ratePerSecond: number, capacity: number, nowMs: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#capacity = capacity;
    this.#level = capacity;
    this.#atMs = nowMs;
  }

  /** Takes `amount` and returns true, or takes nothing and returns false. */
  take(amount: number, nowMs: number): boolean {
    this.#refill(nowMs);
    if (amount > this.#level) return false;
    this.#level -= amount;
    return true;
  }

  /** Whether a new bucket would be the same. */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#level >= this.#capacity;
  }

  /** Applies changed limits from now on; what was taken stays taken. */
  configure(ratePerSecond: number, capacity: number, nowMs: number): void {
    if (ratePerSecond === this.#ratePerSecond && capacity === this.#capacity) return;
    this.#refill(nowMs);
    this.#ratePerSecond = ratePerSecond;
    this.#level = Math.min(capacity, this.#level + Math.max(0, capacity - this.#capacity));
    this.#capacity = capacity;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#level = Math.min(this.#capacity, this.#level + (elapsedMs / 1000) * this.#ratePerSecond);
  }
}
