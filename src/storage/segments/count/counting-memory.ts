import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { SqlType } from "../../../schema/columns.ts";
import { WantedValues } from "./entries.ts";

/** What small files have to read. */
const ARENA_BYTES = 1 << 20;

/** What the files of one job use one after the other, so that each does not make its own. */
export class CountingMemory {
  #arena = new Uint8Array(0);
  #arenaUsed = 0;
  #codes = new Int32Array(0);
  #scratch = new Int32Array(0);
  readonly #wanted = new Map<string, WantedValues>();

  /** To be called when nothing that was read of the last file is looked at any more. */
  beginFile(): void {
    this.#arenaUsed = 0;
  }

  /** Memory for what is read of a file, with what was left there. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const from = this.#arenaUsed;
    if (length > ARENA_BYTES - from) return new Uint8Array(length);
    if (this.#arena.length === 0) this.#arena = new Uint8Array(ARENA_BYTES);
    this.#arenaUsed += length;
    return this.#arena.subarray(from, from + length);
  }

  /** Room for one of each row, with what was left there. */
  codes(rowCount: number): Int32Array {
    if (this.#codes.length < rowCount) this.#codes = new Int32Array(rowCount);
    return this.#codes;
  }

  /** The same once more. */
  scratch(rowCount: number): Int32Array {
    if (this.#scratch.length < rowCount) this.#scratch = new Int32Array(rowCount);
    return this.#scratch;
  }

  /** `values` are those of every file for a column of this name. */
  wanted(name: string, type: SqlType, values: readonly SqlValue[]): WantedValues {
    const key = `${type} ${name}`;
    let known = this.#wanted.get(key);
    if (known === undefined) {
      known = new WantedValues(type, values);
      this.#wanted.set(key, known);
    }
    return known;
  }
}
