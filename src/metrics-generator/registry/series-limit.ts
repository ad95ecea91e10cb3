/** How many series there may be in all families of a tenant. */
export class SeriesLimit {
  readonly max: number;
  active = 0;
  added = 0;
  removed = 0;
  /** Series that would have been new. */
  limited = 0;

  /** 0 = no limit. */
  constructor(max: number) {
    this.max = max;
  }

  /** Whether there is room for so many more; then they count. */
  add(count: number): boolean {
    if (this.max > 0 && this.active + count > this.max) {
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
  }
}
