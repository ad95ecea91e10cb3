import { AttributeType } from "../../model/attribute-columns.ts";
import type { StringTable } from "../../model/string-table.ts";
import type { StoredAttributeType } from "../../schema/columns.ts";
import type { KeyScope, KeyStats } from "../../schema/segment-meta.ts";
import { utf8Text } from "../../util/utf8-text.ts";
import type { AttributeSlots } from "./attribute-slots.ts";
import { NumberInterner } from "./number-interner.ts";
import { numberCounts, type ValueCounter, type ValueCounts } from "./value-counts.ts";

export const STORED_TYPE: Record<AttributeType, StoredAttributeType> = {
  [AttributeType.string]: "string",
  [AttributeType.bool]: "bool",
  [AttributeType.int]: "int",
  [AttributeType.double]: "double",
  [AttributeType.json]: "json",
};

/** Numbers of a dedicated column by id. */
export type NumberDictionary = {
  readonly lo: Uint32Array;
  readonly hi: Uint32Array;
  readonly count: number;
};

/** Numbers of which more than half differ are not told apart beyond this many. */
const MAX_INTERNED = 1 << 15;

/**
 * Counts the values of every slot. Slots for which `keepIds` says so have their `lo` replaced by
 * ids of the dictionary returned for them, unless there are too many values for one.
 */
export class SlotCounter {
  readonly stats: KeyStats[] = [];
  readonly #strings: StringTable;
  readonly #counter: ValueCounter;
  readonly #interner: NumberInterner;
  #ids = new Uint32Array(0);

  constructor(strings: StringTable, counter: ValueCounter, seed: number) {
    this.#strings = strings;
    this.#counter = counter;
    this.#interner = new NumberInterner(seed);
  }

  /** Text of a key or value. */
  text(id: number): string {
    const { heap, offsets } = this.#strings;
    return utf8Text(heap, offsets[id]!, offsets[id + 1]!);
  }

  /**
   * Adds the statistics of one slot. `weights` tells how many spans an owner stands for (one each
   * when undefined). Returns the dictionary of a number slot.
   */
  add(
    scope: KeyScope,
    slots: AttributeSlots,
    slot: number,
    weights: Uint32Array | undefined,
    dedicated: boolean,
  ): NumberDictionary | undefined {
    const type = slots.types[slot] as AttributeType;
    const isText = type === AttributeType.string || type === AttributeType.json;
    let dictionary: NumberDictionary | undefined;
    let counts: ValueCounts;
    if (isText) counts = this.#countStrings(slots, slot, weights);
    else {
      const result = this.#countNumbers(slots, slot, weights, type, dedicated);
      counts = result.counts;
      dictionary = result.dictionary;
    }
    if (counts.count > 0) {
      const key = this.text(slots.keys[slot]!);
      this.stats.push({ scope, key, type: STORED_TYPE[type], ...counts, dedicated });
    }
    return dictionary;
  }

  #countStrings(
    slots: AttributeSlots,
    slot: number,
    weights: Uint32Array | undefined,
  ): ValueCounts {
    const { lo, owners, starts, ends } = slots;
    if (weights === undefined) this.#counter.addAll(lo, starts[slot]!, ends[slot]!);
    else {
      for (let i = starts[slot]!; i < ends[slot]!; i++) {
        const weight = weights[owners[i]!]!;
        if (weight > 0) this.#counter.add(lo[i]!, weight);
      }
    }
    return this.#counter.take();
  }

  #countNumbers(
    slots: AttributeSlots,
    slot: number,
    weights: Uint32Array | undefined,
    type: AttributeType,
    keepIds: boolean,
  ): { counts: ValueCounts; dictionary: NumberDictionary | undefined } {
    const { lo, hi, owners, starts, ends } = slots;
    const interner = this.#interner;
    const start = starts[slot]!;
    const end = ends[slot]!;
    const ids = this.#scratch(end - start);
    interner.reset();
    let total = 0;
    let i = start;
    for (; i < end; i++) {
      const weight = weights === undefined ? 1 : weights[owners[i]!]!;
      if (weight === 0) continue;
      ids[i - start] = interner.intern(lo[i]!, hi[i]!, weight);
      total += weight;
      if (interner.count > MAX_INTERNED && interner.count * 2 > i - start) break;
    }
    const counts = numberCounts(interner, type, total);
    if (i < end) {
      for (i++; i < end; i++) total += weights === undefined ? 1 : weights[owners[i]!]!;
      // The rest is taken to be like the part that was looked at.
      const distinct = Math.min(total, Math.round((counts.distinct * total) / counts.count));
      return {
        counts: { ...counts, count: total, distinct, complete: false },
        dictionary: undefined,
      };
    }
    if (!keepIds || type === AttributeType.bool) return { counts, dictionary: undefined };
    for (i = start; i < end; i++) {
      // Owners without a span were passed over above.
      const skipped = weights !== undefined && weights[owners[i]!] === 0;
      lo[i] = skipped ? interner.intern(lo[i]!, hi[i]!, 0) : ids[i - start]!;
    }
    const dictionary = { lo: interner.lo, hi: interner.hi, count: interner.count };
    return { counts, dictionary };
  }

  #scratch(length: number): Uint32Array {
    if (this.#ids.length < length) this.#ids = new Uint32Array(Math.max(1024, length));
    return this.#ids;
  }
}
