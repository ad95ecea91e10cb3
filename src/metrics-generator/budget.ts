/** How much there may be of something, of all tenants together. */
export class Budget {
  readonly max: number;
  used = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** Whether there is room for so many more; then they count. */
  take(count: number): boolean {
    if (this.used + count > this.max) return false;
    this.used += count;
    return true;
  }

  giveBack(count: number): void {
    this.used -= count;
  }
}

/** What senders can make as much of as they like: names of services and spans, calls without answers. */
export type Budgets = { readonly series: Budget; readonly edges: Budget };
