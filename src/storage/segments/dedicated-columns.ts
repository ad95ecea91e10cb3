import { AttributeType } from "../../model/attribute-columns.ts";
import { OVERFLOW_VALUE_TYPE } from "../../schema/columns.ts";
import type { AttributeSlots } from "./attribute-slots.ts";
import { type NumberDictionary, STORED_TYPE } from "./key-stats.ts";
import type { LeafColumn, LeafValues } from "./parquet/leaf-column.ts";
import { numberDomain, type ValueDomain } from "./parquet/value-domain.ts";

/**
 * The column of one span key. Its owners are rows. With a dictionary the slot's `lo` holds ids of
 * it.
 */
export function spanColumn(
  name: string,
  slots: AttributeSlots,
  slot: number,
  dictionary: NumberDictionary | undefined,
  strings: ValueDomain,
): LeafColumn {
  const start = slots.starts[slot]!;
  const end = slots.ends[slot]!;
  const lo = slots.lo.subarray(start, end);
  const hi = slots.hi.subarray(start, end);
  const type = slots.types[slot] as AttributeType;
  const read = (from: number, to: number) => lo.subarray(from, to);
  const readPairs = (from: number, to: number) => pairs(lo, hi, from, to);
  const values = slotValues(type, dictionary, strings, read, readPairs);
  return leaf(name, type, slots.owners.subarray(start, end), values);
}

export type ResourceRows = {
  /** Row → resource. */
  readonly ofRow: Uint32Array;
  /** Rows of each resource. */
  readonly spansOf: Uint32Array;
  /** 0, 1, 2 and so on, for all rows. */
  readonly all: Uint32Array;
};

/** The column of one resource key. */
export function resourceColumn(
  name: string,
  slots: AttributeSlots,
  slot: number,
  dictionary: NumberDictionary | undefined,
  strings: ValueDomain,
  { ofRow: resourceOfRow, spansOf, all: allRows }: ResourceRows,
): LeafColumn {
  const type = slots.types[slot] as AttributeType;
  const entryOf = new Int32Array(spansOf.length).fill(-1);
  let rowCount = 0;
  for (let i = slots.starts[slot]!; i < slots.ends[slot]!; i++) {
    entryOf[slots.owners[i]!] = i;
    rowCount += spansOf[slots.owners[i]!]!;
  }
  let rows = allRows;
  if (rowCount < allRows.length) {
    rows = new Uint32Array(rowCount);
    let at = 0;
    for (let row = 0; row < allRows.length; row++) {
      if (entryOf[resourceOfRow[row]!]! >= 0) rows[at++] = row;
    }
  }
  const loOf = entryOf.map((entry) => (entry < 0 ? 0 : slots.lo[entry]!));
  const read = (from: number, to: number) => {
    const out = new Uint32Array(to - from);
    for (let i = from; i < to; i++) out[i - from] = loOf[resourceOfRow[rows[i]!]!]!;
    return out;
  };
  const readPairs = (from: number, to: number) => {
    const out = new Uint32Array(2 * (to - from));
    for (let i = from; i < to; i++) {
      const entry = entryOf[resourceOfRow[rows[i]!]!]!;
      out[2 * (i - from)] = slots.lo[entry]!;
      out[2 * (i - from) + 1] = slots.hi[entry]!;
    }
    return out;
  };
  const values = slotValues(type, dictionary, strings, read, readPairs);
  if (values.kind !== "coded") return leaf(name, type, rows, values);
  return leaf(name, type, rows, { ...values, constant: constantOf(slots, slot) });
}

/** The one id that all resources with the key have, if so. */
function constantOf({ lo, starts, ends }: AttributeSlots, slot: number): number | undefined {
  const first = lo[starts[slot]!];
  for (let i = starts[slot]! + 1; i < ends[slot]!; i++) if (lo[i] !== first) return undefined;
  return first;
}

function leaf(
  name: string,
  type: AttributeType,
  rows: Uint32Array,
  values: LeafValues,
): LeafColumn {
  return {
    path: [name],
    type: OVERFLOW_VALUE_TYPE[STORED_TYPE[type]],
    presence: { kind: "some", rows },
    values,
    bloom: type === AttributeType.string,
    random: false,
  };
}

function slotValues(
  type: AttributeType,
  dictionary: NumberDictionary | undefined,
  strings: ValueDomain,
  read: (from: number, to: number) => Uint32Array,
  readPairs: (from: number, to: number) => Uint32Array,
): LeafValues {
  switch (type) {
    case AttributeType.string:
    case AttributeType.json:
      return { kind: "coded", domain: strings, read };
    case AttributeType.bool:
      return { kind: "bool", read };
    case AttributeType.int:
    case AttributeType.double: {
      if (dictionary === undefined) return { kind: "wide", read: readPairs };
      const order = type === AttributeType.int ? "i64" : "double";
      const domain = numberDomain(dictionary.lo, dictionary.hi, dictionary.count, order);
      return { kind: "coded", domain, read };
    }
  }
}

function pairs(lo: Uint32Array, hi: Uint32Array, from: number, to: number): Uint32Array {
  const out = new Uint32Array(2 * (to - from));
  for (let i = from; i < to; i++) {
    out[2 * (i - from)] = lo[i]!;
    out[2 * (i - from) + 1] = hi[i]!;
  }
  return out;
}
