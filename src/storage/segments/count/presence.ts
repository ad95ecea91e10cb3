import { type HybridSection, presentInto } from "./bulk-hybrid.ts";
import type { RowSlots } from "./row-slots.ts";
import { isEqual } from "./same-codes.ts";

/** The slots of the rows of a page that have a value, and how many rows each slot has. */
export type PresentRows = {
  readonly slots: Int32Array;
  bySlot(): Uint32Array;
};

type Known = {
  readonly firstRow: number;
  readonly count: number;
  readonly levels: Uint8Array;
  readonly rows: PresentRows;
};

const NO_LEVELS = new Uint8Array(0);

/** Columns that follow each other often have their values in the same rows. */
const KEPT = 4;

/** Of the rows of one row group those that have a value, page by page. */
export class Presence {
  readonly #rows: RowSlots;
  readonly #scratch: Int32Array;
  #known: Known[] = [];

  /** `scratch` has room for all rows. */
  constructor(rows: RowSlots, scratch: Int32Array) {
    this.#rows = rows;
    this.#scratch = scratch;
  }

  /** Of rows `firstRow .. firstRow + count`, by their levels; without levels, all. */
  of(section: HybridSection | undefined, firstRow: number, count: number): PresentRows {
    const levels = section?.bytes.subarray(section.from, section.to) ?? NO_LEVELS;
    const found = this.#known.find(
      (known) =>
        known.firstRow === firstRow && known.count === count && isEqual(known.levels, levels),
    );
    if (found !== undefined) return found.rows;
    let slots = this.#rows.slots.subarray(firstRow, firstRow + count);
    if (section !== undefined) {
      const present = presentInto(section, slots, this.#scratch);
      slots = this.#scratch.slice(0, present);
    }
    const rows = presentRows(slots, this.#rows.slotCount);
    this.#known = [{ firstRow, count, levels, rows }, ...this.#known.slice(0, KEPT - 1)];
    return rows;
  }
}

function presentRows(slots: Int32Array, slotCount: number): PresentRows {
  let counted: Uint32Array | undefined;
  const bySlot = (): Uint32Array => {
    if (counted === undefined) {
      counted = new Uint32Array(slotCount);
      for (let i = 0; i < slots.length; i++) counted[slots[i]!]!++;
    }
    return counted;
  };
  return { slots, bySlot };
}
