/** What may have a place in a `UseOrder`, in one at a time. The links are the order's to write. */
export interface InUseOrder<T> {
  earlier: T | undefined;
  later: T | undefined;
}

/**
 * Items by when they were used last. A use moves two links: a Map in which items are deleted and set
 * again is made anew time and again, which a scan over thousands of items would pay for each time.
 */
export class UseOrder<T extends InUseOrder<T>> {
  #first: T | undefined;
  #last: T | undefined;

  /** The one that was used least recently. */
  get first(): T | undefined {
    return this.#first;
  }

  /** As the one used last; it must have no place yet. */
  add(item: T): void {
    item.earlier = this.#last;
    item.later = undefined;
    if (this.#last === undefined) this.#first = item;
    else this.#last.later = item;
    this.#last = item;
  }

  /** It must have a place. */
  delete(item: T): void {
    const { earlier, later } = item;
    if (earlier === undefined) this.#first = later;
    else earlier.later = later;
    if (later === undefined) this.#last = earlier;
    else later.earlier = earlier;
    item.earlier = undefined;
    item.later = undefined;
  }

  /** As the one used last; it must have a place. */
  use(item: T): void {
    if (item === this.#last) return;
    this.delete(item);
    this.add(item);
  }
}
