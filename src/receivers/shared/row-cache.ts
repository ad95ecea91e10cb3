import { StringTable } from "../../model/string-table.ts";

/**
 * Which row of a batch a resource or scope has, found by its bytes on the wire and its schema URL.
 * Equal contents in another encoding get another row, which costs a row and nothing else.
 */
export class RowCache {
  readonly #keys: StringTable;
  /** Row + 1 by key; 0 = none. */
  #rows = new Uint32Array(64);
  /** Keys given a row since `begin`. */
  readonly #added: number[] = [];
  #scratch = new Uint8Array(1024);

  constructor(seed: number) {
    this.#keys = new StringTable(seed, { raw: true });
  }

  /**
   * The key of a message that came in parts (`ranges` = start, end, start, end … in `bytes`) with
   * the string id of its schema URL.
   */
  key(bytes: Uint8Array, ranges: readonly number[], schemaUrl: number): number {
    let length = 4;
    for (let i = 0; i < ranges.length; i += 2) length += ranges[i + 1]! - ranges[i]!;
    if (length > this.#scratch.length) this.#scratch = new Uint8Array(length * 2);
    const scratch = this.#scratch;
    scratch[0] = schemaUrl;
    scratch[1] = schemaUrl >>> 8;
    scratch[2] = schemaUrl >>> 16;
    scratch[3] = schemaUrl >>> 24;
    let at = 4;
    for (let i = 0; i < ranges.length; i += 2) {
      scratch.set(bytes.subarray(ranges[i]!, ranges[i + 1]!), at);
      at += ranges[i + 1]! - ranges[i]!;
    }
    return this.#keys.intern(scratch, 0, length);
  }

  /** The row of `key`, or -1. */
  row(key: number): number {
    return (this.#rows[key] ?? 0) - 1;
  }

  add(key: number, row: number): void {
    if (key >= this.#rows.length) {
      const rows = new Uint32Array(Math.max(key + 1, this.#rows.length * 2));
      rows.set(this.#rows);
      this.#rows = rows;
    }
    this.#rows[key] = row + 1;
    this.#added.push(key);
  }

  begin(): void {
    this.#added.length = 0;
  }

  /** Forgets the rows added since `begin`. */
  rollback(): void {
    for (const key of this.#added) this.#rows[key] = 0;
    this.#added.length = 0;
  }
}
