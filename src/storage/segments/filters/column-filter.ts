import { bloomContains } from "../parquet/bloom-filter.ts";

/** The bits of one column's filters, one row group's after the other's. */
export class ColumnFilter {
  readonly #bits: Uint8Array;
  /** By row group, where its bits end; without any, nothing is known of it. */
  readonly #ends: Uint32Array;
  readonly #lastGroup: number;
  /** About what it takes of memory. */
  readonly memoryBytes: number;

  /** Copies the bits, so that no larger buffer is held for them. */
  constructor(groups: readonly (Uint8Array | undefined)[]) {
    let end = 0;
    const ends = groups.map((bits) => {
      end += bits?.length ?? 0;
      return end;
    });
    this.#ends = Uint32Array.from(ends);
    this.#lastGroup = groups.length - 1;
    this.#bits = new Uint8Array(end);
    for (const [group, bits] of groups.entries()) {
      if (bits !== undefined) this.#bits.set(bits, this.#start(group));
    }
    this.memoryBytes = 256 + end + 4 * groups.length;
  }

  /** False when the row group certainly lacks the value. */
  mayHold(group: number, hashLo: number, hashHi: number): boolean {
    const start = this.#start(group);
    // Most small segments have one group, whose end needs no look elsewhere in memory.
    const end = group === this.#lastGroup ? this.#bits.length : this.#ends[group]!;
    return start === end || bloomContains(this.#bits, hashLo, hashHi, start, end);
  }

  #start(group: number): number {
    return group === 0 ? 0 : this.#ends[group - 1]!;
  }
}
