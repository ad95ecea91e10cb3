import { type AttributeColumns, AttributeType } from "../../model/attribute-columns.ts";

/**
 * Attributes regrouped: all entries with one key and one type form a slot, in rising order of
 * owner. Of an owner's equal keys of one type only the last is here.
 */
export type AttributeSlots = {
  readonly count: number;
  /** String id of the slot's key. */
  readonly keys: Uint32Array;
  readonly types: Uint8Array;
  /** Entries of slot `s` are `starts[s] .. ends[s]` of the following. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly owners: Uint32Array;
  readonly lo: Uint32Array;
  readonly hi: Uint32Array;
};

/** Types are 1 to 5. */
const TYPES = 5;

/** Room for the entries of one `groupBySlot` at a time, kept from one segment to the next. */
export class SlotScratch {
  #owners = new Uint32Array(0);
  #lo = new Uint32Array(0);
  #hi = new Uint32Array(0);

  /** Arrays of `count` entries with any content, valid until the next call. */
  take(count: number): Pick<AttributeSlots, "owners" | "lo" | "hi"> {
    if (this.#owners.length < count) {
      this.#owners = new Uint32Array(count);
      this.#lo = new Uint32Array(count);
      this.#hi = new Uint32Array(count);
    }
    return {
      owners: this.#owners.subarray(0, count),
      lo: this.#lo.subarray(0, count),
      hi: this.#hi.subarray(0, count),
    };
  }
}

/**
 * Visits the owners in the order of `order` (all of them in their own order when undefined); in the
 * result an owner is known by its place in that order. `stringCount` bounds the key ids.
 */
export function groupBySlot(
  attributes: AttributeColumns,
  order: Uint32Array | undefined,
  stringCount: number,
  scratch = new SlotScratch(),
): AttributeSlots {
  const { offsets, keys, types, ownerCount } = attributes;
  const total = offsets[ownerCount]!;
  // Pass 1: number the slots and count their entries.
  const slotOf = new Int32Array(total === 0 ? 0 : stringCount);
  let keyCount = 0;
  let counts = new Uint32Array(64 * TYPES);
  let keyIds = new Uint32Array(64);
  for (let i = 0; i < total; i++) {
    const key = keys[i]!;
    let base = slotOf[key]!;
    if (base === 0) {
      if (keyCount === keyIds.length) {
        keyIds = doubled(keyIds);
        counts = doubled(counts);
      }
      keyIds[keyCount++] = key;
      base = (keyCount - 1) * TYPES + 1;
      slotOf[key] = base;
    }
    counts[base + types[i]! - 2]!++;
  }
  const slotCount = keyCount * TYPES;
  const starts = new Uint32Array(slotCount);
  let at = 0;
  for (let slot = 0; slot < slotCount; slot++) {
    starts[slot] = at;
    at += counts[slot]!;
  }
  const entries = {
    starts,
    ends: starts.slice(),
    ...scratch.take(total),
  };
  distribute(attributes, order, slotOf, entries);
  const slotKeys = new Uint32Array(slotCount);
  const slotTypes = new Uint8Array(slotCount);
  for (let slot = 0; slot < slotCount; slot++) {
    slotKeys[slot] = keyIds[Math.floor(slot / TYPES)]!;
    slotTypes[slot] = (slot % TYPES) + 1;
  }
  return {
    count: slotCount,
    keys: slotKeys,
    types: slotTypes,
    ...entries,
  };
}

type Entries = Pick<AttributeSlots, "starts" | "ends" | "owners" | "lo" | "hi">;

function distribute(
  { offsets, keys, types, values, ownerCount }: AttributeColumns,
  order: Uint32Array | undefined,
  slotOf: Int32Array,
  { starts, ends, owners, lo, hi }: Entries,
): void {
  const visited = order ? order.length : ownerCount;
  for (let place = 0; place < visited; place++) {
    const owner = order ? order[place]! : place;
    const last = offsets[owner + 1]!;
    for (let i = offsets[owner]!; i < last; i++) {
      const type = types[i]!;
      const slot = slotOf[keys[i]!]! + type - 2;
      let to = ends[slot]!;
      if (to > 0 && owners[to - 1] === place && to > starts[slot]!) {
        to--;
      } else {
        owners[to] = place;
        ends[slot] = to + 1;
      }
      lo[to] = values[2 * i]!;
      // The other types have no upper half: one stream of writes less.
      if (type === AttributeType.int || type === AttributeType.double) hi[to] = values[2 * i + 1]!;
    }
  }
}

function doubled(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}
