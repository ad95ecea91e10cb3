import type { Budget } from "../budget.ts";

/** How many series there may be in all families of a tenant. */
export class SeriesLimit {
  readonly max: number;
  active = 0;
  added = 0;
  removed = 0;
  /** Series that would have been new. */
  limited = 0;
  readonly #budget: Budget;

  /** 0 = none but the budget's. */
  constructor(max: number, budget: Budget) {
    this.max = max;
    this.#budget = budget;
  }

  /** Whether there is room for so many more; then they count. */
  add(count: number): boolean {
    const isOver = this.max > 0 && this.active + count > this.max;
    if (isOver || !this.#budget.take(count)) {
      this.limited += count;
      return false;
    }
    this.active += count;
    this.added += count;
    return true;
  }

  remove(count: number): void {
    this.active -= count;
    this.removed += count;
    this.#budget.giveBack(count);
  }
}
