export type SliceSizes = {
  /** A common match is found in the first slice, which costs little and comes quickly. */
  readonly firstRows: number;
  /** Later slices have no fewer, nor more than `maxRows`. */
  readonly minRows: number;
  readonly maxRows: number;
  /** Not too many whatever the slice before had; while no match was found at all, no fewer. */
  readonly blindRows: number;
};

const BLIND_GROWTH = 4;
/** Matches are not spread evenly: a slice too many costs more than some rows in vain. */
const MARGIN = 1.5;

/**
 * How many rows a search for some traces looks at next: as many as the rest of them should be found
 * in, by how many the last slice brought, but at most four times the last slice's. So many while
 * slices bring nothing, or when all that were wanted are found and more are asked for: a rare match
 * needs few slices, also behind many that lie together.
 */
export class SliceGrowth {
  readonly #wanted: number;
  readonly #sizes: SliceSizes;
  #lastRows = 0;
  #foundBefore = 0;
  #found = 0;

  /** `wanted`: traces. */
  constructor(wanted: number, sizes: SliceSizes) {
    this.#wanted = wanted;
    this.#sizes = sizes;
  }

  /** Says how many rows a slice has, one at least. */
  addRows(rows: number): void {
    this.#lastRows = rows;
    this.#foundBefore = this.#found;
  }

  /** Says how many traces were found in all slices so far. */
  setFound(traces: number): void {
    this.#found = traces;
  }

  /** Rows of the next slice. */
  get next(): number {
    const { firstRows, minRows, maxRows } = this.#sizes;
    if (this.#lastRows === 0) return firstRows;
    return Math.min(maxRows, Math.max(minRows, this.#rowsForRest()));
  }

  #rowsForRest(): number {
    const most = BLIND_GROWTH * this.#lastRows;
    const missing = this.#wanted - this.#found;
    const foundLast = this.#found - this.#foundBefore;
    const { blindRows } = this.#sizes;
    if (this.#found === 0) return Math.max(most, blindRows);
    if (missing <= 0 || foundLast <= 0) return most;
    return Math.min(Math.max(most, blindRows), (MARGIN * missing * this.#lastRows) / foundLast);
  }
}
