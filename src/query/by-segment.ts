import type { SegmentSummary } from "../schema/segment-meta.ts";

/** Places of one page; those of segments of one time are near each other. */
const PAGE_BITS = 8;
export const PAGE_SIZE = 1 << PAGE_BITS;

type Page<T> = {
  readonly ids: (string | undefined)[];
  readonly values: (T | undefined)[];
};

/**
 * What is known of segments, by their places in the catalog. A Map of thousands grows several times,
 * and each look at it costs more than most questions about a segment. A segment takes the room of the
 * one that had its place before.
 */
export class BySegment<T> {
  readonly #pages: (Page<T> | undefined)[] = [];
  /** Those without a place, by id. */
  #others: Map<string, T> | undefined;
  #pageCount = 0;

  /** Of `PAGE_SIZE` places each. */
  get pageCount(): number {
    return this.#pageCount;
  }

  has({ id, place }: SegmentSummary): boolean {
    if (place === undefined) return this.#others?.has(id) === true;
    return this.#pages[place >>> PAGE_BITS]?.ids[place & (PAGE_SIZE - 1)] === id;
  }

  get({ id, place }: SegmentSummary): T | undefined {
    if (place === undefined) return this.#others?.get(id);
    const page = this.#pages[place >>> PAGE_BITS];
    const at = place & (PAGE_SIZE - 1);
    return page !== undefined && page.ids[at] === id ? page.values[at] : undefined;
  }

  set({ id, place }: SegmentSummary, value: T): void {
    if (place === undefined) {
      this.#others ??= new Map();
      this.#others.set(id, value);
      return;
    }
    const page = this.#pageOf(place >>> PAGE_BITS);
    const at = place & (PAGE_SIZE - 1);
    page.ids[at] = id;
    page.values[at] = value;
  }

  #pageOf(index: number): Page<T> {
    let page = this.#pages[index];
    if (page === undefined) {
      page = { ids: new Array(PAGE_SIZE), values: new Array(PAGE_SIZE) };
      this.#pages[index] = page;
      this.#pageCount++;
    }
    return page;
  }
}
