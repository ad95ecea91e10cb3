/** Column → its number. */
export type ColumnNumbers = ReadonlyMap<string, number>;

/** Of each segment there are two lists. */
const MAX_KNOWN = 32;

/** Segments of the same senders have the same columns: names would be most of what is held. */
export class SameColumns {
  /** Made first, first. */
  readonly #known = new Map<string, ColumnNumbers>();

  of(names: readonly string[]): ColumnNumbers {
    const key = names.join("\n");
    let found = this.#known.get(key);
    if (found === undefined) {
      found = new Map(names.map((name, number) => [name, number]));
      this.#known.set(key, found);
      const [oldest] = this.#known.keys();
      if (this.#known.size > MAX_KNOWN) this.#known.delete(oldest!);
    }
    return found;
  }
}
