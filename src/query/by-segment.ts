import type { SegmentSummary } from "../schema/segment-meta.ts";

/** Places of one page; those of segments of one time are near each other. */
const PAGE_BITS = 8;
const PAGE_SIZE = 1 << PAGE_BITS;

type Page<T> = {
  readonly metas: (SegmentSummary | undefined)[];
  readonly values: (T | undefined)[];
};

/**
 * What a query knows of segments, by their places in the catalog. A Map of thousands grows several
 * times, and each look at it costs more than most questions about a segment.
 */
export class BySegment<T> {
  readonly #pages: (Page<T> | undefined)[] = [];
  /** Those without a place, and those whose place was another's before. */
  #others: Map<SegmentSummary, T> | undefined;

  has(meta: SegmentSummary): boolean {
    return this.#isPlaced(meta) || this.#others?.has(meta) === true;
  }

  get(meta: SegmentSummary): T | undefined {
    const { place } = meta;
    if (place !== undefined) {
      const page = this.#pages[place >>> PAGE_BITS];
      const at = place & (PAGE_SIZE - 1);
      if (page !== undefined && page.metas[at] === meta) return page.values[at];
    }
    return this.#others?.get(meta);
  }

  set(meta: SegmentSummary, value: T): void {
    const { place } = meta;
    if (place !== undefined) {
      const page = this.#pageOf(place);
      const at = place & (PAGE_SIZE - 1);
      const owner = page.metas[at];
      if (owner === undefined || owner === meta) {
        page.metas[at] = meta;
        page.values[at] = value;
        return;
      }
    }
    this.#others ??= new Map();
    this.#others.set(meta, value);
  }

  #isPlaced(meta: SegmentSummary): boolean {
    const { place } = meta;
    if (place === undefined) return false;
    return this.#pages[place >>> PAGE_BITS]?.metas[place & (PAGE_SIZE - 1)] === meta;
  }

  #pageOf(place: number): Page<T> {
    const index = place >>> PAGE_BITS;
    let page = this.#pages[index];
    if (page === undefined) {
      page = { metas: new Array(PAGE_SIZE), values: new Array(PAGE_SIZE) };
      this.#pages[index] = page;
    }
    return page;
  }
}
