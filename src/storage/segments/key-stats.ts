import { AttributeType } from "../../model/attribute-columns.ts";
import type { StringTable } from "../../model/string-table.ts";
import type { StoredAttributeType } from "../../schema/columns.ts";
import type { KeyScope, KeyStats } from "../../schema/segment-meta.ts";
import { utf8Text } from "../../util/utf8-text.ts";
import type { AttributeSlots } from "./attribute-slots.ts";
import { NumberInterner } from "./number-interner.ts";
import { type ListedCounts, numberCounts, type ValueCounter } from "./value-counts.ts";
import type { KeyServices, OwnedValues, ServiceSets } from "./value-services.ts";

export const STORED_TYPE: Record<AttributeType, StoredAttributeType> = {
  [AttributeType.string]: "string",
  [AttributeType.bool]: "bool",
  [AttributeType.int]: "int",
  [AttributeType.double]: "double",
  [AttributeType.json]: "json",
};

/** Counts of one slot, and the services of its values where they are known. */
type Counted = Pick<ListedCounts, "counts"> & { readonly services: KeyServices | undefined };

/** Numbers of a dedicated column by id. */
export type NumberDictionary = {
  readonly lo: Uint32Array;
  readonly hi: Uint32Array;
  readonly count: number;
};

/** Whose values a slot has. */
export type SlotOwners = {
  /** How many spans each stands for; undefined: one each. */
  readonly weights: Uint32Array | undefined;
  /** The number of each one's service; undefined: it is not known, or there are several. */
  readonly services: Uint8Array | undefined;
  /** Of owners with several services, see `servicesOfScopes`. */
  readonly serviceSets?: Uint32Array | undefined;
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
  readonly #sets: ServiceSets | undefined;
  readonly #interner: NumberInterner;
  #ids = new Uint32Array(0);

  /** `sets`: undefined when services are not numbered. */
  constructor(
    strings: StringTable,
    counter: ValueCounter,
    sets: ServiceSets | undefined,
    seed: number,
  ) {
    this.#strings = strings;
    this.#counter = counter;
    this.#sets = sets;
    this.#interner = new NumberInterner(seed);
  }

  /** Text of a key or value. */
  text(id: number): string {
    const { heap, offsets } = this.#strings;
    return utf8Text(heap, offsets[id]!, offsets[id + 1]!);
  }

  /** Adds the statistics of one slot. Returns the dictionary of a number slot. */
  add(
    scope: KeyScope,
    slots: AttributeSlots,
    slot: number,
    owners: SlotOwners,
    dedicated: boolean,
  ): NumberDictionary | undefined {
    const type = slots.types[slot] as AttributeType;
    const isText = type === AttributeType.string || type === AttributeType.json;
    let dictionary: NumberDictionary | undefined;
    let counted: Counted;
    if (isText) counted = this.#countStrings(slots, slot, owners);
    else {
      const result = this.#countNumbers(slots, slot, owners, type, dedicated);
      counted = result.counted;
      dictionary = result.dictionary;
    }
    const { counts, services } = counted;
    if (counts.count > 0) {
      const key = this.text(slots.keys[slot]!);
      const known = services ?? this.#servicesOfKey(slots, slot, owners);
      this.stats.push({ scope, key, type: STORED_TYPE[type], ...counts, dedicated, ...known });
    }
    return dictionary;
  }

  /** Where those of its values are not known. */
  #servicesOfKey(
    { owners, starts, ends }: AttributeSlots,
    slot: number,
    { weights, services, serviceSets }: SlotOwners,
  ): KeyServices {
    const sets = this.#sets;
    if (sets === undefined) return {};
    const [from, to] = [starts[slot]!, ends[slot]!];
    let keyServices: string | undefined;
    if (serviceSets !== undefined) keyServices = sets.ofSets(serviceSets, owners, from, to);
    else if (services !== undefined) {
      keyServices = sets.ofKey({ owners, from, to, services, weights });
    }
    return keyServices === undefined ? {} : { keyServices };
  }

  #servicesOf(
    { counts, ids }: ListedCounts,
    values: Omit<OwnedValues, "weights" | "services">,
    { weights, services }: SlotOwners,
  ): KeyServices | undefined {
    if (!counts.complete || counts.count === 0 || services === undefined) return undefined;
    return this.#sets?.ofValues(ids, { ...values, weights, services });
  }

  #countStrings(slots: AttributeSlots, slot: number, whose: SlotOwners): Counted {
    const { lo, owners, starts, ends } = slots;
    const { weights } = whose;
    const [from, to] = [starts[slot]!, ends[slot]!];
    if (weights === undefined) this.#counter.addAll(lo, from, to);
    else {
      for (let i = from; i < to; i++) {
        const weight = weights[owners[i]!]!;
        if (weight > 0) this.#counter.add(lo[i]!, weight);
      }
    }
    const listed = this.#counter.takeListed();
    const services = this.#servicesOf(listed, { ids: lo, from, to, owners }, whose);
    return { counts: listed.counts, services };
  }

  #countNumbers(
    slots: AttributeSlots,
    slot: number,
    whose: SlotOwners,
    type: AttributeType,
    keepIds: boolean,
  ): { counted: Counted; dictionary: NumberDictionary | undefined } {
    const { lo, hi, owners, starts, ends } = slots;
    const { weights } = whose;
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
    const listed = numberCounts(interner, type, total);
    const { counts } = listed;
    if (i < end) {
      for (i++; i < end; i++) total += weights === undefined ? 1 : weights[owners[i]!]!;
      // The rest is taken to be like the part that was looked at.
      const distinct = Math.min(total, Math.round((counts.distinct * total) / counts.count));
      return {
        counted: {
          counts: { ...counts, count: total, distinct, complete: false },
          services: undefined,
        },
        dictionary: undefined,
      };
    }
    const own = owners.subarray(start, end);
    const values = { ids, from: 0, to: end - start, owners: own };
    const counted = { counts, services: this.#servicesOf(listed, values, whose) };
    if (!keepIds || type === AttributeType.bool) return { counted, dictionary: undefined };
    for (i = start; i < end; i++) {
      // Owners without a span were passed over above.
      const skipped = weights !== undefined && weights[owners[i]!] === 0;
      lo[i] = skipped ? interner.intern(lo[i]!, hi[i]!, 0) : ids[i - start]!;
    }
    const dictionary = { lo: interner.lo, hi: interner.hi, count: interner.count };
    return { counted, dictionary };
  }

  #scratch(length: number): Uint32Array {
    if (this.#ids.length < length) this.#ids = new Uint32Array(Math.max(1024, length));
    return this.#ids;
  }
}
