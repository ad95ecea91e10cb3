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
  /** Where the slots are. */
  readonly memory: Int32Array;
};

const NO_LEVELS = new Uint8Array(0);

/** Columns that follow each other often have their values in the same rows. */
const KEPT = 4;
export const PRESENCE_ARRAYS = KEPT;

/** Of the rows of one row group those that have a value, page by page. */
export class Presence {
  readonly #rows: RowSlots;
  readonly #memory: Int32Array[];
  #known: Known[] = [];

  /** `memory`: `PRESENCE_ARRAYS` of room for all rows each. */
  constructor(rows: RowSlots, memory: readonly Int32Array[]) {
    this.#rows = rows;
    this.#memory = [...memory];
  }

  /**
   * Of rows `firstRow .. firstRow + count`, by their levels; without levels, all. Good until so many
   * others were asked for as are kept.
   */
  of(section: HybridSection | undefined, firstRow: number, count: number): PresentRows {
    const levels = section?.bytes.subarray(section.from, section.to) ?? NO_LEVELS;
    const found = this.#known.find(
      (known) =>
        known.firstRow === firstRow && known.count === count && isEqual(known.levels, levels),
    );
    if (found !== undefined) return found.rows;
    const own = this.#rows.slots.subarray(firstRow, firstRow + count);
    // That of which nobody knows any more.
    const oldest = this.#known.length < KEPT ? undefined : this.#known.pop();
    const memory = oldest?.memory ?? this.#memory.pop()!;
    const slots =
      section === undefined ? own : memory.subarray(0, presentInto(section, own, memory));
    const rows = presentRows(slots, this.#rows.slotCount);
    // A copy: the page is given back.
    this.#known.unshift({ firstRow, count, levels: levels.slice(), rows, memory });
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
