import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { ByteSource } from "../read/byte-source.ts";
import { corrupt, unsupported } from "../read/read-error.ts";
import type { GroupPlace } from "../read/read-footer.ts";
import { levelSection } from "../read/read-leaf.ts";
import type { ColumnNode, Leaf, RepeatedNode } from "../read/read-schema.ts";
import { freeBody, pageBody, walkPages } from "../read/walk-pages.ts";
import { codesInto } from "./bulk-hybrid.ts";
import { MAX_CHUNK_CELLS } from "./chunk-counter.ts";
import type { ColumnCounts } from "./count-values.ts";
import { type ChunkEntries, PageNumbers } from "./page-values.ts";
import type { RowSlots } from "./row-slots.ts";
import { type CellBudget, ValueCells } from "./value-cells.ts";

export type MapCounterParts = {
  readonly name: string;
  /** A plain map. */
  readonly node: RepeatedNode;
  readonly firstBucket: number;
  readonly bucketCount: number;
  readonly budget: CellBudget;
};

/** Levels of one row group's leaf: one for each entry, and for each row without one. */
const MAX_LEVELS = 1 << 21;
/** Distinct keys, and distinct values, of one row group. */
const MAX_ENTRIES = 1 << 20;

/** Counts of one map column of a file, by the maps' keys, row group by row group. */
export class MapCounter {
  readonly name: string;
  readonly leaves: readonly Leaf[];
  readonly #parts: MapCounterParts;
  readonly #key: Leaf;
  readonly #value: Leaf;
  readonly #byKey = new Map<string, ValueCells>();
  readonly #keys = new LeafEntries();
  readonly #values = new LeafEntries();

  /** The node is a plain map. */
  constructor(parts: MapCounterParts) {
    const [key, value] = parts.node.leaves;
    this.name = parts.name;
    this.leaves = parts.node.leaves;
    this.#parts = parts;
    this.#key = key!;
    this.#value = value!;
  }

  /** Throws `unsupported` or `corrupt`, and then what was counted is good for nothing. */
  async addGroup(source: ByteSource, group: GroupPlace, rows: RowSlots): Promise<void> {
    await this.#keys.read(source, group, this.#key);
    if (this.#keys.entryCount === 0) return;
    await this.#values.read(source, group, this.#value);
    const pairs = this.#countPairs(group.rowCount, rows);
    const offset = 2 * (rows.firstBucket - this.#parts.firstBucket);
    // The last number is that of rows that are not counted.
    const counted = rows.slotCount - 1;
    const keys = textsOf(this.#keys.entries);
    const values = this.#values.entries;
    let last: { number: number; value: SqlValue } | undefined;
    for (const { key, value: number, cells } of pairs) {
      const name = keys[key];
      if (name === undefined) throw corrupt(`key ${key} of ${keys.length}`);
      if (number >= values.count) throw corrupt(`value ${number} of ${values.count}`);
      if (last?.number !== number) last = { number, value: values.valueOf(number) };
      const { value } = last;
      this.#cellsOf(name).add(() => value, offset, cells, 0, counted);
    }
  }

  /** In the order of their values. */
  #countPairs(rowCount: number, { slots, slotCount }: RowSlots): Pair[] {
    const { elementDef } = this.#parts.node;
    const present = this.#value.maxDef;
    const { reps, defs, numbers: keys, levelCount } = this.#keys;
    const { defs: valueDefs, numbers: values } = this.#values;
    if (this.#values.levelCount !== levelCount) throw corrupt("a map's keys without values");
    const pairs = new Map<number, Pair>();
    let row = -1;
    let entry = 0;
    let next = 0;
    for (let i = 0; i < levelCount; i++) {
      if (reps[i] === 0) row++;
      const isEntry = defs[i]! >= elementDef;
      if (isEntry !== valueDefs[i]! >= elementDef) throw corrupt("a map's keys without values");
      if (!isEntry) continue;
      const key = keys[entry++]!;
      if (valueDefs[i] !== present) continue;
      const value = values[next++]!;
      if (row < 0 || row >= rowCount) throw corrupt("a chunk has more rows than its group");
      const id = key * MAX_ENTRIES + value;
      let pair = pairs.get(id);
      if (pair === undefined) {
        if ((pairs.size + 1) * slotCount > MAX_CHUNK_CELLS) {
          throw unsupported("too many values to count");
        }
        pair = { key, value, cells: new Uint32Array(slotCount) };
        pairs.set(id, pair);
      }
      pair.cells[slots[row]!]!++;
    }
    if (row + 1 !== rowCount) throw corrupt("a chunk has other rows than its group");
    return [...pairs.values()].sort((a, b) => a.value - b.value);
  }

  #cellsOf(key: string): ValueCells {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const { bucketCount, budget } = this.#parts;
    const made = new ValueCells(bucketCount, budget);
    this.#byKey.set(key, made);
    return made;
  }

  /** Gives back what the column took of the budget. */
  release(): void {
    for (const cells of this.#byKey.values()) cells.release();
    this.#byKey.clear();
  }

  counts(): ColumnCounts[] {
    const { name } = this;
    return Array.from(this.#byKey, ([key, cells]) => ({ name, key, ...cells.counts() }));
  }
}

/** Whether it maps texts to single values, and lies in nothing else. */
export function isPlainMap(node: ColumnNode): node is RepeatedNode {
  if (node.kind !== "map" || node.rep !== 1) return false;
  const { elementDef, leaves } = node;
  const [key, value, ...others] = leaves;
  if (key === undefined || value === undefined || others.length > 0) return false;
  if (key.type !== "VARCHAR" || key.maxRep !== 1 || key.maxDef !== elementDef) return false;
  return value.maxRep === 1 && value.maxDef <= elementDef + 1;
}

type Pair = { readonly key: number; readonly value: number; readonly cells: Uint32Array };

function textsOf(entries: ChunkEntries): string[] {
  return Array.from({ length: entries.count }, (_, number) => String(entries.valueOf(number)));
}

/** Levels and entries of a leaf below a map, of one row group; the memory is used again. */
class LeafEntries {
  reps = new Int32Array(0);
  defs = new Int32Array(0);
  levelCount = 0;
  /** By entry that has a value, a number for it. */
  numbers = new Int32Array(0);
  entryCount = 0;
  entries: ChunkEntries = { count: 0, valueOf: () => null };

  async read(source: ByteSource, group: GroupPlace, leaf: Leaf): Promise<void> {
    const chunk = group.chunks[leaf.index]!;
    this.#makeRoom(chunk.valueCount);
    const numbers = new PageNumbers(leaf, undefined, MAX_ENTRIES);
    let levels = 0;
    let found = 0;
    await walkPages(source, chunk, async (page, dictionary) => {
      const count = page.valueCount;
      const end = levels + count;
      if (end > chunk.valueCount) throw corrupt("a chunk has more values than it says");
      if (dictionary !== undefined) await numbers.openDictionary(source, chunk, dictionary);
      const bytes = await pageBody(source, chunk, page);
      const rep = levelSection(bytes, 0);
      codesInto({ bytes, ...rep }, 1, count, this.reps.subarray(levels, end));
      const def = levelSection(bytes, rep.to);
      const defs = this.defs.subarray(levels, end);
      codesInto({ bytes, ...def }, 32 - Math.clz32(leaf.maxDef), count, defs);
      let present = 0;
      for (let i = 0; i < count; i++) if (defs[i] === leaf.maxDef) present++;
      if (present > 0) {
        const out = this.numbers.subarray(found, found + present);
        numbers.read(page, bytes, def.to, present, out);
      }
      freeBody(chunk, bytes);
      levels = end;
      found += present;
      return "more";
    });
    this.levelCount = levels;
    this.entryCount = found;
    this.entries = numbers.entries;
  }

  #makeRoom(levelCount: number): void {
    if (levelCount > MAX_LEVELS) throw unsupported(`a map of ${levelCount} levels`);
    if (levelCount <= this.reps.length) return;
    this.reps = new Int32Array(levelCount);
    this.defs = new Int32Array(levelCount);
    this.numbers = new Int32Array(levelCount);
  }
}
