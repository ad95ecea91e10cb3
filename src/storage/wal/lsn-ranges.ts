import type { Lsn, WalRange } from "../../schema/segment-meta.ts";

/** A set of LSNs as disjoint ranges in ascending order. */
export class LsnRanges {
  #ranges: WalRange[] = [];

  add(range: WalRange): void {
    if (range.from >= range.to) return;
    const first = this.#firstEndingFrom(range.from);
    let { from, to } = range;
    let last = first;
    for (; last < this.#ranges.length; last++) {
      const other = this.#ranges[last];
      if (other === undefined || other.from > to) break;
      from = Math.min(from, other.from);
      to = Math.max(to, other.to);
    }
    this.#ranges.splice(first, last - first, { from, to });
  }

  has(lsn: Lsn): boolean {
    const range = this.#ranges[this.#firstEndingFrom(lsn + 1)];
    return range !== undefined && range.from <= lsn;
  }

  /** Those that touch `[from, to)`. */
  within(from: Lsn, to: Lsn): WalRange[] {
    return this.#ranges.filter((range) => range.from < to && range.to > from);
  }

  /** Forgets what lies below. */
  dropBefore(lsn: Lsn): void {
    this.#ranges = this.#ranges.filter((range) => range.to > lsn);
  }

  clear(): void {
    this.#ranges = [];
  }

  get all(): readonly WalRange[] {
    return this.#ranges;
  }

  /** Index of the first range whose end is at or after `lsn`. */
  #firstEndingFrom(lsn: Lsn): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.to ?? 0) < lsn) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
