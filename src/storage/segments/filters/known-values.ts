import type { ValueNeed } from "../../../schema/value-need.ts";
import { xxh64 } from "../../../util/xxh64.ts";
import type { ColumnBounds } from "./column-bounds.ts";
import type { ColumnFilter } from "./column-filter.ts";

/** What is known of the values of a segment's row groups. */
export type KnownValues = {
  readonly groupCount: number;
  /** Names, and of each what is known: nothing where it is undefined. */
  readonly columns: readonly string[];
  readonly filters: readonly (ColumnFilter | undefined)[];
  /** Of columns of numbers, asked for or not; nothing is known where it is undefined. */
  readonly bounds: ColumnBounds | undefined;
};

export const NOTHING_KNOWN: KnownValues = {
  groupCount: 1,
  columns: [],
  filters: [],
  bounds: undefined,
};

/** False when certainly no row group meets the need. */
export function mayMeet(need: ValueNeed, known: KnownValues): boolean {
  for (let group = 0; group < known.groupCount; group++) {
    if (mayGroupMeet(need, known, group)) return true;
  }
  return false;
}

/** Needs are as deep as a filter of a query at most. */
function mayGroupMeet(need: ValueNeed, known: KnownValues, group: number): boolean {
  switch (need.type) {
    case "value": {
      const filter = known.filters[known.columns.indexOf(need.column)];
      if (filter === undefined) return true;
      const [lo, hi] = hashOf(need);
      return filter.mayHold(group, lo, hi);
    }
    case "range":
      return known.bounds?.mayHold(need.column, group, need.min, need.max) ?? true;
    case "any":
      return need.of.some((one) => mayGroupMeet(one, known, group));
    case "all":
      return need.of.every((one) => mayGroupMeet(one, known, group));
    default:
      return need satisfies never;
  }
}

type Hash = readonly [lo: number, hi: number];

/** The same need is asked of thousands of filters, mostly of one after the other. */
const hashes = new WeakMap<ValueNeed, Hash>();
let last: { readonly need: ValueNeed; readonly hash: Hash } | undefined;

function hashOf(need: ValueNeed & { readonly type: "value" }): Hash {
  if (last?.need === need) return last.hash;
  let hash = hashes.get(need);
  if (hash === undefined) {
    const out = new Uint32Array(2);
    xxh64(need.bytes, 0, need.bytes.length, out);
    // Signed, as the engine keeps numbers of 32 bits without an object for each.
    hash = [out[0]! | 0, out[1]! | 0];
    hashes.set(need, hash);
  }
  last = { need, hash };
  return hash;
}
