import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { ByteSource } from "../read/byte-source.ts";
import { corrupt, unsupported } from "../read/read-error.ts";
import type { GroupPlace } from "../read/read-footer.ts";
import { levelSection } from "../read/read-leaf.ts";
import type { Leaf } from "../read/read-schema.ts";
import { freeBody, pageBody, walkPages } from "../read/walk-pages.ts";
import { countCodes } from "./bulk-hybrid.ts";
import type { ColumnCounts } from "./count-values.ts";
import type { WantedValues } from "./entries.ts";
import { PageNumbers } from "./page-values.ts";
import type { Presence } from "./presence.ts";
import type { RowSlots } from "./row-slots.ts";
import { type SameCodes, storedPages } from "./same-codes.ts";
import { type CellBudget, ValueCells } from "./value-cells.ts";

export type ChunkCounterParts = {
  readonly name: string;
  readonly leaf: Leaf;
  /** `undefined`: all values are told apart. */
  readonly wanted: WantedValues | undefined;
  readonly firstBucket: number;
  readonly bucketCount: number;
  readonly budget: CellBudget;
};

/** What the columns of a row group have in common. */
export type GroupCounting = {
  readonly rows: RowSlots;
  readonly presence: Presence;
  readonly same: SameCodes;
  /** Room for one of each row. */
  readonly codes: Int32Array;
};

/** Most numbers of one chunk: a value has some for each bucket of its rows. */
export const MAX_CHUNK_CELLS = 1 << 21;

/** Counts of one column of a file, chunk by chunk. */
export class ChunkCounter {
  readonly name: string;
  readonly #parts: ChunkCounterParts;
  readonly #cells: ValueCells;

  constructor(parts: ChunkCounterParts) {
    this.name = parts.name;
    this.#parts = parts;
    this.#cells = new ValueCells(parts.bucketCount, parts.budget);
  }

  /** Throws `unsupported` or `corrupt`, and then what was counted is good for nothing. */
  async addChunk(source: ByteSource, group: GroupPlace, counting: GroupCounting): Promise<void> {
    const { leaf, wanted } = this.#parts;
    if (leaf.maxRep > 0 || leaf.maxDef > 1) throw unsupported("a column that is not flat");
    const chunk = group.chunks[leaf.index]!;
    const { rows, same } = counting;
    const maxEntries = Math.floor(MAX_CHUNK_CELLS / rows.slotCount);
    const numbers = new PageNumbers(leaf, wanted, maxEntries);
    const pages = wanted === undefined ? storedPages(source, chunk) : undefined;
    const known = pages && same.find(pages, leaf.maxDef);
    if (known !== undefined) {
      await walkPages(source, chunk, async (_, dictionary) => {
        if (dictionary !== undefined) await numbers.openDictionary(source, chunk, dictionary);
        return "done";
      });
      this.#add(known, numbers, rows);
      numbers.free(chunk);
      return;
    }
    const cells = await this.#count(source, group, counting, numbers);
    this.#add(cells, numbers, rows);
    numbers.free(chunk);
    if (pages !== undefined) same.add(pages, leaf.maxDef, cells);
  }

  async #count(
    source: ByteSource,
    group: GroupPlace,
    { rows, presence, codes }: GroupCounting,
    numbers: PageNumbers,
  ): Promise<Uint32Array> {
    const { leaf } = this.#parts;
    const chunk = group.chunks[leaf.index]!;
    const { slotCount } = rows;
    let cells = new Uint32Array(0);
    let row = 0;
    await walkPages(source, chunk, async (page, dictionary) => {
      const count = page.valueCount;
      if (count > group.rowCount - row) throw corrupt("a chunk has more rows than its group");
      if (dictionary !== undefined) await numbers.openDictionary(source, chunk, dictionary);
      const body = await pageBody(source, chunk, page);
      const levels = leaf.maxDef > 0 ? levelSection(body, 0) : undefined;
      const present = presence.of(levels && { bytes: body, ...levels }, row, count);
      row += count;
      const { slots } = present;
      const valuesAt = levels?.to ?? 0;
      if (slots.length === 0) {
        // Nothing to count.
      } else if (numbers.isConstant(page)) {
        cells = withLength(cells, slotCount);
        present.bySlot().forEach((count, slot) => {
          cells[slot]! += count;
        });
      } else if (numbers.hasCodes(page)) {
        const { section, width } = numbers.codes(body, valuesAt);
        cells = withLength(cells, numbers.capacity * slotCount);
        countCodes(section, width, slots, slotCount, cells);
      } else {
        numbers.read(page, body, valuesAt, slots.length, codes);
        cells = withLength(cells, numbers.capacity * slotCount);
        addCells(cells, codes, slots, slotCount);
      }
      freeBody(chunk, body);
      return "more";
    });
    if (row < group.rowCount) throw corrupt("a chunk has fewer rows than its group");
    return cells;
  }

  #add(cells: Uint32Array, numbers: PageNumbers, { firstBucket, slotCount }: RowSlots): void {
    const { entries } = numbers;
    const offset = 2 * (firstBucket - this.#parts.firstBucket);
    for (let number = 0, at = 0; at < cells.length; number++, at += slotCount) {
      const askValue = (): SqlValue => {
        if (number >= entries.count) throw corrupt(`code ${number} of ${entries.count} values`);
        return entries.valueOf(number);
      };
      // The last place is that of rows that are not counted.
      this.#cells.add(askValue, offset, cells, at, at + slotCount - 1);
    }
  }

  /** Gives back what the column took of the budget. */
  release(): void {
    this.#cells.release();
  }

  counts(): ColumnCounts {
    return { name: this.name, ...this.#cells.counts() };
  }
}

function withLength(cells: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  if (cells.length >= length) return cells;
  if (length > MAX_CHUNK_CELLS) throw unsupported("too many values to count");
  const longer = new Uint32Array(length);
  longer.set(cells);
  return longer;
}

function addCells(
  cells: Uint32Array,
  codes: Int32Array,
  slots: Int32Array,
  slotCount: number,
): void {
  for (let i = 0; i < slots.length; i++) {
    const at = (Math.imul(codes[i]!, slotCount) + slots[i]!) | 0;
    cells[at] = cells[at]! + 1;
  }
}
