import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { SqlType } from "../../../schema/columns.ts";
import { WantedValues } from "./entries.ts";
import { PRESENCE_ARRAYS } from "./presence.ts";

/** What is read of a row group, at most; of a larger one the rest has memory of its own. */
const MAX_ARENA_BYTES = 8 << 20;

/**
 * What the row groups of a thread's jobs use one after the other. If each made its own, a query over
 * millions of spans would leave hundreds of megabytes to the collector, which looks through the heap
 * for each few dozen of them.
 */
export class CountingMemory {
  #arena = new Uint8Array(0);
  #arenaUsed = 0;
  #wantedBytes = 0;
  #codes = new Int32Array(0);
  #buckets = new Int32Array(0);
  #distances = new Float64Array(0);
  readonly #presence: Int32Array[] = Array.from(
    { length: PRESENCE_ARRAYS },
    () => new Int32Array(0),
  );
  readonly #wanted = new Map<string, WantedValues>();

  /** Forgets which values are wanted. */
  beginJob(): void {
    this.#wanted.clear();
  }

  /** To be called when nothing that was read before is looked at any more. */
  begin(): void {
    const most = Math.min(this.#wantedBytes, MAX_ARENA_BYTES);
    if (most > this.#arena.length) this.#arena = new Uint8Array(most);
    this.#arenaUsed = 0;
    this.#wantedBytes = 0;
  }

  /** Memory for what is read, with what was left there. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    this.#wantedBytes += length;
    const from = this.#arenaUsed;
    if (length > this.#arena.length - from) return new Uint8Array(length);
    this.#arenaUsed += length;
    return this.#arena.subarray(from, from + length);
  }

  /** Room for one of each row, with what was left there. */
  codes(rowCount: number): Int32Array {
    if (this.#codes.length < rowCount) this.#codes = new Int32Array(rowCount);
    return this.#codes;
  }

  /** Exactly one for each row, with what was left there. */
  buckets(rowCount: number): Int32Array {
    if (this.#buckets.length < rowCount) this.#buckets = new Int32Array(rowCount);
    return this.#buckets.subarray(0, rowCount);
  }

  /** The same of a page's values. */
  distances(count: number): Float64Array {
    if (this.#distances.length < count) this.#distances = new Float64Array(count);
    return this.#distances.subarray(0, count);
  }

  /** What `Presence` needs for so many rows. */
  presence(rowCount: number): readonly Int32Array[] {
    this.#presence.forEach((array, i) => {
      if (array.length < rowCount) this.#presence[i] = new Int32Array(rowCount);
    });
    return this.#presence;
  }

  /** `values` are those of every file of the job for a column of this name. */
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
