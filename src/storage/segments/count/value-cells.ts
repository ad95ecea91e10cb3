import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import { unsupported } from "../read/read-error.ts";

/** Numbers that what is counted of one file may take yet, together. */
export type CellBudget = { cells: number };

/** For each value of a column two numbers a bucket: rows of the baseline, and of the selection. */
export class ValueCells {
  readonly #bucketCount: number;
  readonly #budget: CellBudget;
  readonly #numbers = new Map<SqlValue, number>();
  /** There may be room for more. */
  #cells = new Uint32Array(0);

  constructor(bucketCount: number, budget: CellBudget) {
    this.#bucketCount = bucketCount;
    this.#budget = budget;
  }

  /**
   * Adds counts `from .. to` to the numbers of a value, from that of index `first` on; the value is
   * asked for only when they are not all 0. Throws `unsupported` when there is no room for it.
   */
  add(
    askValue: () => SqlValue,
    first: number,
    counts: Uint32Array,
    from: number,
    to: number,
  ): void {
    let target = -1;
    for (let i = from; i < to; i++) {
      const count = counts[i]!;
      if (count === 0) continue;
      if (target < 0) target = this.#placeOf(askValue()) + first;
      this.#cells[target + i - from]! += count;
    }
  }

  /** Where the numbers of a value begin. */
  #placeOf(value: SqlValue): number {
    const length = 2 * this.#bucketCount;
    const known = this.#numbers.get(value);
    if (known !== undefined) return length * known;
    this.#budget.cells -= length;
    if (this.#budget.cells < 0) throw unsupported("too many values to count");
    const at = length * this.#numbers.size;
    if (at + length > this.#cells.length) {
      const longer = new Uint32Array(Math.max(2 * this.#cells.length, length));
      longer.set(this.#cells);
      this.#cells = longer;
    }
    this.#numbers.set(value, this.#numbers.size);
    return at;
  }

  /** Gives back what it took of the budget. */
  release(): void {
    this.#budget.cells += 2 * this.#bucketCount * this.#numbers.size;
    this.#numbers.clear();
    this.#cells = new Uint32Array(0);
  }

  counts(): { readonly values: SqlValue[]; readonly cells: Uint32Array<ArrayBuffer> } {
    const cells = this.#cells.slice(0, 2 * this.#bucketCount * this.#numbers.size);
    return { values: [...this.#numbers.keys()], cells };
  }
}
