import { AttributeType } from "../../model/attribute-columns.ts";
import {
  type AttributeScopeName,
  OVERFLOW_VALUE_TYPE,
  overflowColumn,
} from "../../schema/columns.ts";
import type { AttributeSlots } from "./attribute-slots.ts";
import { STORED_TYPE } from "./key-stats.ts";
import type { LeafColumn, LeafValues, Levels } from "./parquet/leaf-column.ts";
import { mapNode, type SchemaNode } from "./parquet/schema.ts";
import type { ValueDomain } from "./parquet/value-domain.ts";

/** One overflow map column: the entries of each owner, and which owner a row has. */
type MapEntries = {
  readonly offsets: Uint32Array;
  readonly keys: Uint32Array;
  readonly lo: Uint32Array;
  readonly hi: Uint32Array;
};

/** Which slots rest in a map, and which entries of those (all when undefined). */
export type MapMembership = {
  readonly slot: (slot: number) => boolean;
  readonly entry?: (slot: number, entry: number) => boolean;
};

export type MapColumn = {
  readonly name: string;
  readonly node: SchemaNode;
  readonly leaves: readonly LeafColumn[];
};

const MAX_DEF = 2;
const MAX_REP = 1;

/**
 * The overflow maps of one scope that some row needs. `ownerOfRow` is undefined where owners are rows. A row without entries has NULL.
 */
export function attributeMaps(
  scope: AttributeScopeName,
  slots: AttributeSlots,
  ownerCount: number,
  ownerOfRow: Uint32Array | undefined,
  strings: ValueDomain,
  inMap: MapMembership,
): MapColumn[] {
  const maps: MapColumn[] = [];
  for (const type of Object.values(AttributeType)) {
    const entries = collect(slots, type, ownerCount, inMap);
    if (entries === undefined) continue;
    const storedType = STORED_TYPE[type];
    const name = overflowColumn(scope, storedType);
    const valueType = OVERFLOW_VALUE_TYPE[storedType];
    const rows = new MapRows(entries, ownerOfRow);
    const presence = {
      kind: "nested" as const,
      levels: (first: number, last: number) => rows.expand(first, last).levels,
    };
    const keys: LeafValues = {
      kind: "coded",
      domain: strings,
      read: (first, last) => rows.expand(first, last).keys,
    };
    const leaf = { presence, random: false };
    maps.push({
      name,
      node: mapNode(name, valueType),
      leaves: [
        { ...leaf, path: [name, "key_value", "key"], type: "VARCHAR", values: keys, bloom: true },
        {
          ...leaf,
          path: [name, "key_value", "value"],
          type: valueType,
          values: mapValues(type, rows, strings),
          bloom: false,
        },
      ],
    });
  }
  return maps;
}

function mapValues(type: AttributeType, rows: MapRows, strings: ValueDomain): LeafValues {
  switch (type) {
    case AttributeType.string:
    case AttributeType.json:
      return { kind: "coded", domain: strings, read: (a, b) => rows.expand(a, b).lo };
    case AttributeType.bool:
      return { kind: "bool", read: (a, b) => rows.expand(a, b).lo };
    case AttributeType.int:
    case AttributeType.double:
      return { kind: "wide", read: (a, b) => rows.wide(a, b) };
  }
}

/** Groups a type's entries by owner (a counting sort); undefined when there are none. */
function collect(
  slots: AttributeSlots,
  type: AttributeType,
  ownerCount: number,
  inMap: MapMembership,
): MapEntries | undefined {
  const mine: number[] = [];
  for (let slot = 0; slot < slots.count; slot++) {
    if (slots.types[slot] !== type || slots.starts[slot] === slots.ends[slot]) continue;
    if (inMap.slot(slot)) mine.push(slot);
  }
  const { owners, starts, ends } = slots;
  const offsets = new Uint32Array(mine.length === 0 ? 0 : ownerCount + 1);
  let total = 0;
  for (const slot of mine) {
    for (let i = starts[slot]!; i < ends[slot]!; i++) {
      if (inMap.entry && !inMap.entry(slot, i)) continue;
      offsets[owners[i]! + 1]!++;
      total++;
    }
  }
  if (total === 0) return undefined;
  for (let owner = 0; owner < ownerCount; owner++) offsets[owner + 1]! += offsets[owner]!;
  const next = offsets.slice();
  const keys = new Uint32Array(total);
  const lo = new Uint32Array(total);
  const hi = new Uint32Array(total);
  for (const slot of mine) {
    for (let i = starts[slot]!; i < ends[slot]!; i++) {
      if (inMap.entry && !inMap.entry(slot, i)) continue;
      const at = next[owners[i]!]!++;
      keys[at] = slots.keys[slot]!;
      lo[at] = slots.lo[i]!;
      hi[at] = slots.hi[i]!;
    }
  }
  return { offsets, keys, lo, hi };
}

type Expanded = {
  readonly levels: Levels;
  readonly keys: Uint32Array;
  readonly lo: Uint32Array;
  readonly hi: Uint32Array;
};

/** The map's rows as levels and values, one row group at a time. */
class MapRows {
  readonly #entries: MapEntries;
  readonly #ownerOfRow: Uint32Array | undefined;
  #first = -1;
  #last = -1;
  #expanded: Expanded | undefined;

  constructor(entries: MapEntries, ownerOfRow: Uint32Array | undefined) {
    this.#entries = entries;
    this.#ownerOfRow = ownerOfRow;
  }

  wide(first: number, last: number): Uint32Array {
    const { lo, hi } = this.expand(first, last);
    const pairs = new Uint32Array(lo.length * 2);
    for (let i = 0; i < lo.length; i++) {
      pairs[2 * i] = lo[i]!;
      pairs[2 * i + 1] = hi[i]!;
    }
    return pairs;
  }

  expand(first: number, last: number): Expanded {
    if (this.#expanded === undefined || this.#first !== first || this.#last !== last) {
      this.#expanded = this.#build(first, last);
      this.#first = first;
      this.#last = last;
    }
    return this.#expanded;
  }

  #build(first: number, last: number): Expanded {
    const { offsets, keys, lo, hi } = this.#entries;
    const ownerOfRow = this.#ownerOfRow;
    const rowCount = last - first;
    const rowStarts = new Uint32Array(rowCount + 1);
    let levelCount = 0;
    let valueCount = 0;
    for (let i = 0; i < rowCount; i++) {
      const owner = ownerOfRow ? ownerOfRow[first + i]! : first + i;
      const entries = offsets[owner + 1]! - offsets[owner]!;
      valueCount += entries;
      levelCount += entries === 0 ? 1 : entries;
      rowStarts[i + 1] = levelCount;
    }
    const def = new Uint32Array(levelCount);
    const rep = new Uint32Array(levelCount);
    const out = {
      levels: { count: levelCount, def, rep, maxDef: MAX_DEF, maxRep: MAX_REP, rowStarts },
      keys: new Uint32Array(valueCount),
      lo: new Uint32Array(valueCount),
      hi: new Uint32Array(valueCount),
    };
    let value = 0;
    for (let i = 0; i < rowCount; i++) {
      const owner = ownerOfRow ? ownerOfRow[first + i]! : first + i;
      const from = offsets[owner]!;
      const to = offsets[owner + 1]!;
      let level = rowStarts[i]!;
      for (let entry = from; entry < to; entry++) {
        def[level] = MAX_DEF;
        rep[level++] = entry === from ? 0 : 1;
        out.keys[value] = keys[entry]!;
        out.lo[value] = lo[entry]!;
        out.hi[value++] = hi[entry]!;
      }
    }
    return out;
  }
}
