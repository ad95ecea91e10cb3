/** More would leave too few columns to keys that are frequent. */
const MAX_USED_KEYS = 48;
/** A key counts as used for so long after a query named it. */
const USED_FOR_MS = 24 * 3_600_000;

/**
 * The attributes that queries named lately, as names of their columns (`span.<key>`,
 * `resource.<key>`). Bounded; not kept across a restart.
 */
export class UsedKeys {
  readonly #monotonicMs: () => number;
  /** When each was last named, oldest first. */
  readonly #lastMs = new Map<string, number>();

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  record(columns: Iterable<string>): void {
    const now = this.#monotonicMs();
    for (const column of columns) {
      this.#lastMs.delete(column);
      this.#lastMs.set(column, now);
    }
    for (const oldest of this.#lastMs.keys()) {
      if (this.#lastMs.size <= MAX_USED_KEYS) break;
      this.#lastMs.delete(oldest);
    }
  }

  /** The latest ones, in no order that matters. */
  columns(): readonly string[] {
    const since = this.#monotonicMs() - USED_FOR_MS;
    return [...this.#lastMs].filter(([, atMs]) => atMs >= since).map(([column]) => column);
  }
}
