import type { SegmentWithKeys } from "../schema/segment-meta.ts";

/** Segments of the same senders are alike: no more kinds than this are remembered at a time. */
const MAX_KNOWN = 64;

/**
 * What was found out from which keys and columns a segment has, found once for all segments that have
 * the same: to look at the keys of thousands of segments takes longer than most questions. Numbers,
 * values, services and whether lists are complete must not matter to what is found.
 */
export class PerKeys<T> {
  /** By what segments share of their keys, then by their columns. */
  readonly #known = new Map<object, Map<readonly string[], Known<T>>>();
  #count = 0;
  /** Most segments are like the one before. */
  #last: Known<T> | undefined;

  /** `find` reads the keys. */
  get(meta: SegmentWithKeys, find: (meta: SegmentWithKeys) => T): T {
    const known = this.#knownOf(meta);
    if (known !== undefined) return known.found;
    const found = find(meta);
    const { sameKeys, optionalColumns } = meta;
    // Of segments whose keys are read for the first time it is known only now.
    if (sameKeys === undefined || this.#knownOf(meta) !== undefined) return found;
    if (this.#count === MAX_KNOWN) {
      this.#known.clear();
      this.#count = 0;
    }
    this.#count++;
    const byColumns = this.#known.get(sameKeys) ?? new Map<readonly string[], Known<T>>();
    const own = { sameKeys, optionalColumns, found };
    this.#known.set(sameKeys, byColumns.set(optionalColumns, own));
    this.#last = own;
    return found;
  }

  #knownOf({ sameKeys, optionalColumns }: SegmentWithKeys): Known<T> | undefined {
    if (sameKeys === undefined) return undefined;
    const last = this.#last;
    if (last?.sameKeys === sameKeys && last.optionalColumns === optionalColumns) return last;
    const known = this.#known.get(sameKeys)?.get(optionalColumns);
    if (known !== undefined) this.#last = known;
    return known;
  }
}

type Known<T> = {
  readonly sameKeys: object;
  readonly optionalColumns: readonly string[];
  readonly found: T;
};
