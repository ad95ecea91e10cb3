import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import { type ColumnCounts, MAX_CELLS, type SegmentCounts } from "./count-values.ts";

type Merged = Pick<SegmentCounts, "firstBucket" | "bucketCount" | "columns">;

/** Counts of several files, put together in the end: who asked has one answer to read. */
export class MergedCounts {
  readonly #parts: SegmentCounts[] = [];
  /** By column, or by map and key, the number of each value. */
  readonly #numbers = new Map<string, Map<SqlValue, number>>();
  readonly #counted = new Map<string, Pick<ColumnCounts, "name" | "key">>();
  #valueCount = 0;
  #partCells = 0;
  #firstBucket = 0;
  #endBucket = 0;

  /** False, and nothing is added, when there is no room; the first file has it always. */
  add(part: SegmentCounts): boolean {
    const { firstBucket, bucketCount, columns } = part;
    const endBucket = firstBucket + bucketCount;
    const isFirst = this.#firstBucket === this.#endBucket;
    const from = isFirst ? firstBucket : Math.min(firstBucket, this.#firstBucket);
    const to = isFirst ? endBucket : Math.max(endBucket, this.#endBucket);
    let valueCount = this.#valueCount;
    let cells = this.#partCells;
    for (const column of columns) {
      const known = this.#numbers.get(idOf(column));
      for (const value of column.values) if (known?.has(value) !== true) valueCount++;
      cells += column.cells.length;
    }
    const isOver = Math.max(cells, 2 * valueCount * (to - from)) > MAX_CELLS;
    if (isOver && this.#parts.length > 0) return false;
    if (bucketCount > 0) [this.#firstBucket, this.#endBucket] = [from, to];
    this.#valueCount = valueCount;
    this.#partCells = cells;
    this.#parts.push(part);
    for (const { name, key, values } of columns) {
      const id = idOf({ name, key });
      const numbers = this.#numbers.get(id) ?? new Map<SqlValue, number>();
      this.#numbers.set(id, numbers);
      this.#counted.set(id, key === undefined ? { name } : { name, key });
      for (const value of values) if (!numbers.has(value)) numbers.set(value, numbers.size);
    }
    return true;
  }

  finish(): Merged {
    const firstBucket = this.#firstBucket;
    const bucketCount = this.#endBucket - firstBucket;
    const [only, ...others] = this.#parts;
    if (only !== undefined && others.length === 0) return only;
    const columns = Array.from(this.#numbers, ([id, numbers]): ColumnCounts => {
      const cells = new Uint32Array(2 * bucketCount * numbers.size);
      return { ...this.#counted.get(id)!, values: [...numbers.keys()], cells };
    });
    const byId = new Map(columns.map((column) => [idOf(column), column.cells]));
    for (const part of this.#parts) {
      const length = 2 * part.bucketCount;
      const offset = 2 * (part.firstBucket - firstBucket);
      for (const { name, key, values, cells } of part.columns) {
        const id = idOf({ name, key });
        const numbers = this.#numbers.get(id)!;
        const target = byId.get(id)!;
        values.forEach((value, i) => {
          const to = 2 * bucketCount * numbers.get(value)! + offset;
          for (let k = 0, from = i * length; k < length; k++) target[to + k]! += cells[from + k]!;
        });
      }
    }
    return { firstBucket, bucketCount, columns };
  }
}

/** Another for each column, and for each key of a map. */
function idOf({ name, key }: { readonly name: string; readonly key?: string | undefined }): string {
  return key === undefined ? name : JSON.stringify([name, key]);
}
