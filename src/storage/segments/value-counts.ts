import { AttributeType } from "../../model/attribute-columns.ts";
import type { StringTable } from "../../model/string-table.ts";
import { MAX_LISTED_VALUE_BYTES, MAX_LISTED_VALUES } from "../../schema/segment-meta.ts";
import { doubleOf, int64Of } from "../../util/number-words.ts";
import { utf8Text } from "../../util/utf8-text.ts";
import type { NumberInterner } from "./number-interner.ts";

/** Values of one key: how many differ, and the most frequent ones as text. */
export type ValueCounts = {
  readonly count: number;
  readonly distinct: number;
  readonly values: string[];
  readonly complete: boolean;
};

export type ListedCounts = {
  readonly counts: ValueCounts;
  /** Ids of the listed values, in their order. */
  readonly ids: readonly number[];
};

/** Text of all listed values together in one segment; when it is used up, keys list none. */
const MAX_LISTED_TOTAL_BYTES = 4 << 20;

/** Counts string ids by weight. Its scratch is one counter per string of the batch. */
export class ValueCounter {
  readonly #strings: StringTable;
  readonly #weights: Float64Array;
  #seen = new Uint32Array(1024);
  #distinct = 0;
  #total = 0;
  #budget = MAX_LISTED_TOTAL_BYTES;

  constructor(strings: StringTable) {
    this.#strings = strings;
    this.#weights = new Float64Array(strings.count);
  }

  add(id: number, weight: number): void {
    const before = this.#weights[id]!;
    if (before === 0) {
      if (this.#distinct === this.#seen.length) {
        const larger = new Uint32Array(this.#seen.length * 2);
        larger.set(this.#seen);
        this.#seen = larger;
      }
      this.#seen[this.#distinct++] = id;
    }
    this.#weights[id] = before + weight;
    this.#total += weight;
  }

  addAll(ids: Uint32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) this.add(ids[i]!, 1);
  }

  /** The counts since the last call. */
  take(): ValueCounts {
    return this.takeListed().counts;
  }

  takeListed(): ListedCounts {
    const seen = this.#seen.subarray(0, this.#distinct);
    const top = mostFrequent(seen, this.#distinct, this.#weights);
    const { heap, offsets } = this.#strings;
    const values: string[] = [];
    const ids: number[] = [];
    for (const id of top) {
      const bytes = offsets[id + 1]! - offsets[id]!;
      if (bytes > MAX_LISTED_VALUE_BYTES || bytes > this.#budget) continue;
      this.#budget -= bytes;
      ids.push(id);
      values.push(utf8Text(heap, offsets[id]!, offsets[id + 1]!));
    }
    const counts = {
      count: this.#total,
      distinct: this.#distinct,
      values,
      complete: values.length === this.#distinct,
    };
    for (const id of seen) this.#weights[id] = 0;
    this.#distinct = 0;
    this.#total = 0;
    return { counts, ids };
  }
}

/** Counts of what the interner saw, `count` values in all. */
export function numberCounts(
  interner: NumberInterner,
  type: AttributeType,
  count: number,
): ListedCounts {
  const { lo, hi, weights } = interner;
  const top = mostFrequent(undefined, interner.count, weights);
  const values = top.map((id) => numberText(type, lo[id]!, hi[id]!));
  const complete = values.length === interner.count;
  return { counts: { count, distinct: interner.count, values, complete }, ids: top };
}

export function numberText(type: AttributeType, lo: number, hi: number): string {
  if (type === AttributeType.bool) return lo === 0 ? "false" : "true";
  if (type === AttributeType.double) {
    const value = doubleOf(lo, hi);
    return Object.is(value, -0) ? "-0" : String(value);
  }
  if (hi === 0) return String(lo);
  return String(int64Of(lo, hi));
}

/**
 * The ids of greatest weight, greatest first, first seen first among equals. `ids` undefined means
 * `0 .. count`. Most values of a large set fail the first comparison, so this is one quick pass.
 */
function mostFrequent(
  ids: Uint32Array | undefined,
  count: number,
  weights: Float64Array,
): number[] {
  const top: number[] = [];
  let least = 0;
  for (let i = 0; i < count; i++) {
    const id = ids ? ids[i]! : i;
    const weight = weights[id]!;
    if (top.length === MAX_LISTED_VALUES) {
      if (weight <= least) continue;
      top.pop();
    }
    let low = 0;
    let high = top.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (weights[top[middle]!]! >= weight) low = middle + 1;
      else high = middle;
    }
    top.splice(low, 0, id);
    least = weights[top[top.length - 1]!]!;
  }
  return top;
}
