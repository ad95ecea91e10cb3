import type { ValueNeed } from "../../../schema/value-need.ts";
import { xxh64 } from "../../../util/xxh64.ts";
import { bloomContains } from "../parquet/bloom-filter.ts";

/** The bits of one column's filters, one row group's after the other's. */
export class ColumnFilter {
  readonly #bits: Uint8Array;
  /** By row group, where its bits end; without any, nothing is known of it. */
  readonly #ends: Uint32Array;
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
    this.#bits = new Uint8Array(end);
    for (const [group, bits] of groups.entries()) {
      if (bits !== undefined) this.#bits.set(bits, this.#start(group));
    }
    this.memoryBytes = 256 + end + 4 * groups.length;
  }

  /** False when the row group certainly lacks the value. */
  mayHold(group: number, hashLo: number, hashHi: number): boolean {
    const start = this.#start(group);
    const end = this.#ends[group]!;
    return start === end || bloomContains(this.#bits, hashLo, hashHi, start, end);
  }

  #start(group: number): number {
    return group === 0 ? 0 : this.#ends[group - 1]!;
  }
}

/** What is known of the values of a segment's row groups. */
export type ValueFilters = {
  readonly groupCount: number;
  /** Names, and of each what is known: nothing where it is undefined. */
  readonly columns: readonly string[];
  readonly filters: readonly (ColumnFilter | undefined)[];
};

export const NO_FILTERS: ValueFilters = { groupCount: 1, columns: [], filters: [] };

/** False when certainly no row group meets the need. */
export function mayMeet(need: ValueNeed, filters: ValueFilters): boolean {
  for (let group = 0; group < filters.groupCount; group++) {
    if (mayGroupMeet(need, filters, group)) return true;
  }
  return false;
}

/** Needs are as deep as a filter of a query at most. */
function mayGroupMeet(need: ValueNeed, filters: ValueFilters, group: number): boolean {
  switch (need.type) {
    case "value": {
      const filter = filters.filters[filters.columns.indexOf(need.column)];
      if (filter === undefined) return true;
      const [lo, hi] = hashOf(need);
      return filter.mayHold(group, lo, hi);
    }
    case "any":
      return need.of.some((one) => mayGroupMeet(one, filters, group));
    case "all":
      return need.of.every((one) => mayGroupMeet(one, filters, group));
    default:
      return need satisfies never;
  }
}

type Hash = readonly [lo: number, hi: number];

/** The same need is asked of thousands of filters. */
const hashes = new WeakMap<ValueNeed, Hash>();

function hashOf(need: ValueNeed & { readonly type: "value" }): Hash {
  let hash = hashes.get(need);
  if (hash === undefined) {
    const out = new Uint32Array(2);
    xxh64(need.bytes, 0, need.bytes.length, out);
    // Signed, as the engine keeps numbers of 32 bits without an object for each.
    hash = [out[0]! | 0, out[1]! | 0];
    hashes.set(need, hash);
  }
  return hash;
}
