/** How an attribute's value rests in `AttributeColumns.values`. */
export const AttributeType = {
  /** value lo = string id. */
  string: 1,
  /** value lo = 0 or 1. */
  bool: 2,
  /** value lo, hi = the two's complement int64. */
  int: 3,
  /** value lo, hi = the IEEE 754 bits. */
  double: 4,
  /**
   * value lo = string id of the OTLP/JSON text of an AnyValue that is none of the above: array,
   * kvlist, bytes, or unset (`{}`). Canonical: no white space, int64 as decimal strings, bytes as
   * padded base64, non-finite doubles as "NaN" / "Infinity" / "-Infinity".
   */
  json: 5,
} as const;
export type AttributeType = (typeof AttributeType)[keyof typeof AttributeType];

/**
 * Attributes of many owners (spans, events, links, resources or scopes) as columns. The entries of
 * owner `i` are `offsets[i] .. offsets[i + 1]`, in the order received. Keys are string ids of the
 * batch's `StringTable`. Duplicate keys of one owner are kept here; the segment keeps the last.
 */
export class AttributeColumns {
  ownerCount = 0;
  count = 0;
  /** Length ≥ ownerCount + 1. */
  offsets: Uint32Array<ArrayBuffer>;
  keys: Uint32Array<ArrayBuffer>;
  types: Uint8Array<ArrayBuffer>;
  /** Two u32 per entry, little endian: lo, hi. */
  values: Uint32Array<ArrayBuffer>;

  /** Room for so many owners and entries; it grows when there are more. */
  constructor(owners = 255, entries = 1024) {
    this.offsets = new Uint32Array(owners + 1);
    this.keys = new Uint32Array(entries);
    this.types = new Uint8Array(entries);
    this.values = new Uint32Array(2 * entries);
  }

  push(key: number, type: AttributeType, lo: number, hi: number): void {
    const i = this.count;
    if (i === this.keys.length) this.#grow();
    this.keys[i] = key;
    this.types[i] = type;
    this.values[2 * i] = lo;
    this.values[2 * i + 1] = hi;
    this.count = i + 1;
  }

  /** Ends the current owner: everything pushed since the last call belongs to it. */
  closeOwner(): void {
    const next = this.ownerCount + 1;
    if (next >= this.offsets.length) this.offsets = grownU32(this.offsets);
    this.offsets[next] = this.count;
    this.ownerCount = next;
  }

  /** Drops all owners from `ownerCount` on, and what was pushed for an owner not closed. */
  truncate(ownerCount: number): void {
    this.ownerCount = ownerCount;
    this.count = this.offsets[ownerCount]!;
  }

  #grow(): void {
    this.keys = grownU32(this.keys);
    const types = new Uint8Array(this.types.length * 2);
    types.set(this.types);
    this.types = types;
    this.values = grownU32(this.values);
  }
}

export function grownU32(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(array.length * 2);
  grown.set(array);
  return grown;
}

export function grownI32(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(array.length * 2);
  grown.set(array);
  return grown;
}
