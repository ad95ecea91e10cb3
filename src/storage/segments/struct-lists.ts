import { type AttributeColumns, AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { EVENTS_COLUMN, LINKS_COLUMN, type SqlType } from "../../schema/columns.ts";
import type { LeafColumn, LeafValues, Levels } from "./parquet/leaf-column.ts";
import { leafNode, listNode, Repetition, type SchemaNode } from "./parquet/schema.ts";
import { uuidDomain, type ValueDomain } from "./parquet/value-domain.ts";

export type ListColumn = {
  readonly name: string;
  readonly node: SchemaNode;
  readonly leaves: readonly LeafColumn[];
};

/** `events` as a column; `spans` maps rows to spans. */
export function eventsColumn(
  batch: SpanBatch,
  spans: Uint32Array,
  strings: ValueDomain,
): ListColumn {
  const rows = new ListRows(spans, batch.eventOffsets, batch.eventAttributes);
  const fields: Field[] = [
    { name: "time_unix_nano", type: "UBIGINT", values: rows.pairs(batch.eventTime) },
    { name: "name", type: "VARCHAR", values: rows.coded(batch.eventName, strings) },
    { name: "dropped_attributes_count", type: "UINTEGER", values: rows.narrow(batch.eventDropped) },
  ];
  return listColumn(EVENTS_COLUMN, fields, rows, strings);
}

export function linksColumn(
  batch: SpanBatch,
  spans: Uint32Array,
  strings: ValueDomain,
): ListColumn {
  const rows = new ListRows(spans, batch.linkOffsets, batch.linkAttributes);
  const ids = uuidDomain(batch.linkTraceId, batch.linkCount);
  const links = (a: number, b: number) => rows.expand(a, b).elements;
  const fields: Field[] = [
    { name: "trace_id", type: "UUID", values: { kind: "coded", domain: ids, read: links } },
    { name: "span_id", type: "UBIGINT", values: rows.pairs(batch.linkSpanId) },
    { name: "trace_state", type: "VARCHAR", values: rows.coded(batch.linkTraceState, strings) },
    { name: "flags", type: "UINTEGER", values: rows.narrow(batch.linkFlags) },
    { name: "dropped_attributes_count", type: "UINTEGER", values: rows.narrow(batch.linkDropped) },
  ];
  return listColumn(LINKS_COLUMN, fields, rows, strings);
}

type Field = { readonly name: string; readonly type: SqlType; readonly values: LeafValues };

const ATTRIBUTE_VALUE_FIELDS = [
  { name: "str", type: "VARCHAR", attributeType: AttributeType.string },
  { name: "int", type: "BIGINT", attributeType: AttributeType.int },
  { name: "double", type: "DOUBLE", attributeType: AttributeType.double },
  { name: "bool", type: "BOOLEAN", attributeType: AttributeType.bool },
  { name: "json", type: "VARCHAR", attributeType: AttributeType.json },
] as const;

// The list is optional (1), repeated (2); the attributes in it are a required list, repeated (3),
// with a required key and optional values (4).
const ELEMENT_DEF = 2;
const ATTRIBUTE_DEF = 3;
const VALUE_DEF = 4;

function listColumn(
  name: string,
  fields: readonly Field[],
  rows: ListRows,
  strings: ValueDomain,
): ListColumn {
  const { required, optional } = Repetition;
  const attributeNodes = [
    leafNode("key", "VARCHAR", required),
    ...ATTRIBUTE_VALUE_FIELDS.map((field) => leafNode(field.name, field.type, optional)),
  ];
  const nodes = fields.map((field) => leafNode(field.name, field.type, required));
  const node = listNode(name, optional, [
    ...nodes,
    listNode("attributes", required, attributeNodes),
  ]);

  const leaves: LeafColumn[] = [];
  const add = (
    path: string[],
    type: SqlType,
    values: LeafValues,
    levels: (expanded: Expanded) => Levels,
  ) => {
    const presence = {
      kind: "nested" as const,
      levels: (first: number, last: number) => levels(rows.expand(first, last)),
    };
    leaves.push({
      path: [name, "list", "element", ...path],
      type,
      presence,
      values,
      bloom: false,
      random: false,
    });
  };
  for (const field of fields) {
    add([field.name], field.type, field.values, (e) => e.elementLevels);
  }
  const inAttribute = ["attributes", "list", "element"];
  const keys: LeafValues = {
    kind: "coded",
    domain: strings,
    read: (a, b) => rows.expand(a, b).attributeKeys,
  };
  add([...inAttribute, "key"], "VARCHAR", keys, (e) => e.attributeLevels);
  for (const { name: fieldName, type, attributeType } of ATTRIBUTE_VALUE_FIELDS) {
    const values = rows.attributeValues(attributeType, strings);
    add([...inAttribute, fieldName], type, values, (e) => rows.valueLevels(e, attributeType));
  }
  return { name, node, leaves };
}

type Expanded = {
  /** Indexes of the events or links, in row order. */
  readonly elements: Uint32Array;
  readonly elementLevels: Levels;
  /** Indexes of their attribute entries. */
  readonly attributes: Uint32Array;
  readonly attributeKeys: Uint32Array;
  readonly attributeLevels: Levels;
};

/** The lists of one row group at a time, as levels and indexes. */
class ListRows {
  readonly #spans: Uint32Array;
  readonly #offsets: Uint32Array;
  readonly #attributes: AttributeColumns;
  readonly #keep: Uint8Array | undefined;
  #first = -1;
  #last = -1;
  #expanded: Expanded | undefined;

  constructor(spans: Uint32Array, offsets: Uint32Array, attributes: AttributeColumns) {
    this.#spans = spans;
    this.#offsets = offsets;
    this.#attributes = attributes;
    this.#keep = lastOfEqualKeys(attributes);
  }

  coded(ids: Uint32Array, domain: ValueDomain): LeafValues {
    const read = (first: number, last: number) => gather(ids, this.expand(first, last).elements);
    return { kind: "coded", domain, read };
  }

  narrow(numbers: Uint32Array): LeafValues {
    const read = (first: number, last: number) =>
      gather(numbers, this.expand(first, last).elements);
    return { kind: "narrow", read };
  }

  pairs(numbers: Uint32Array): LeafValues {
    const read = (first: number, last: number) =>
      gatherPairs(numbers, this.expand(first, last).elements);
    return { kind: "wide", read };
  }

  attributeValues(type: AttributeType, domain: ValueDomain): LeafValues {
    const { types, values } = this.#attributes;
    const ofType = (first: number, last: number) =>
      this.expand(first, last).attributes.filter((entry) => types[entry] === type);
    const low = (first: number, last: number) =>
      ofType(first, last).map((entry) => values[2 * entry]!);
    switch (type) {
      case AttributeType.string:
      case AttributeType.json:
        return { kind: "coded", domain, read: low };
      case AttributeType.bool:
        return { kind: "bool", read: low };
      case AttributeType.int:
      case AttributeType.double:
        return { kind: "wide", read: (a, b) => gatherPairs(values, ofType(a, b)) };
    }
  }

  /** The levels of one of the value fields: one deeper than the key's where the type is this. */
  valueLevels(expanded: Expanded, type: AttributeType): Levels {
    const { attributeLevels, attributes } = expanded;
    const { types } = this.#attributes;
    const def = attributeLevels.def.slice();
    let next = 0;
    for (let i = 0; i < def.length; i++) {
      if (def[i] === ATTRIBUTE_DEF && types[attributes[next++]!] === type) def[i] = VALUE_DEF;
    }
    return { ...attributeLevels, def, maxDef: VALUE_DEF };
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
    const { keys, offsets } = this.#attributes;
    const keep = this.#keep;
    const elements = new LevelBuilder(ELEMENT_DEF, 1, last - first);
    const attributes = new LevelBuilder(ATTRIBUTE_DEF, 2, last - first);
    for (let row = first; row < last; row++) {
      const span = this.#spans[row]!;
      const from = this.#offsets[span]!;
      const to = this.#offsets[span + 1]!;
      if (from === to) {
        elements.absent(0, 0);
        attributes.absent(0, 0);
      }
      for (let element = from; element < to; element++) {
        elements.value(element, element === from ? 0 : 1);
        let rep = element === from ? 0 : 1;
        for (let entry = offsets[element]!; entry < offsets[element + 1]!; entry++) {
          if (keep && keep[entry] === 0) continue;
          attributes.value(entry, rep);
          rep = 2;
        }
        if (rep !== 2) attributes.absent(ELEMENT_DEF, rep);
      }
      elements.endRow();
      attributes.endRow();
    }
    return {
      elements: elements.values(),
      elementLevels: elements.levels(),
      attributes: attributes.values(),
      attributeKeys: gather(keys, attributes.values()),
      attributeLevels: attributes.levels(),
    };
  }
}

class LevelBuilder {
  readonly #maxDef: number;
  readonly #maxRep: number;
  readonly #rowStarts: Uint32Array;
  #row = 0;
  #count = 0;
  #valueCount = 0;
  #def = new Uint32Array(1024);
  #rep = new Uint32Array(1024);
  #values = new Uint32Array(1024);

  constructor(maxDef: number, maxRep: number, rowCount: number) {
    this.#maxDef = maxDef;
    this.#maxRep = maxRep;
    this.#rowStarts = new Uint32Array(rowCount + 1);
  }

  value(value: number, rep: number): void {
    if (this.#valueCount === this.#values.length) {
      const values = new Uint32Array(this.#values.length * 2);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[this.#valueCount++] = value;
    this.absent(this.#maxDef, rep);
  }

  /** A level without a value: nothing is there from depth `def` on. */
  absent(def: number, rep: number): void {
    if (this.#count === this.#def.length) {
      const defs = new Uint32Array(this.#count * 2);
      const reps = new Uint32Array(this.#count * 2);
      defs.set(this.#def);
      reps.set(this.#rep);
      this.#def = defs;
      this.#rep = reps;
    }
    this.#def[this.#count] = def;
    this.#rep[this.#count++] = rep;
  }

  endRow(): void {
    this.#rowStarts[++this.#row] = this.#count;
  }

  values(): Uint32Array {
    return this.#values.subarray(0, this.#valueCount);
  }

  levels(): Levels {
    return {
      count: this.#count,
      def: this.#def.subarray(0, this.#count),
      rep: this.#rep.subarray(0, this.#count),
      maxDef: this.#maxDef,
      maxRep: this.#maxRep,
      rowStarts: this.#rowStarts,
    };
  }
}

/** 0 for entries that a later one of the same owner, key and type replaces; undefined if none. */
function lastOfEqualKeys(attributes: AttributeColumns): Uint8Array | undefined {
  const { offsets, keys, types, ownerCount } = attributes;
  const keep = new Uint8Array(offsets[ownerCount]!).fill(1);
  let dropped = false;
  const seen = new Set<number>();
  for (let owner = 0; owner < ownerCount; owner++) {
    if (offsets[owner + 1]! - offsets[owner]! < 2) continue;
    seen.clear();
    for (let entry = offsets[owner + 1]! - 1; entry >= offsets[owner]!; entry--) {
      const place = keys[entry]! * 8 + types[entry]!;
      if (seen.has(place)) {
        keep[entry] = 0;
        dropped = true;
      } else seen.add(place);
    }
  }
  return dropped ? keep : undefined;
}

function gather(source: Uint32Array, indexes: Uint32Array): Uint32Array {
  const out = new Uint32Array(indexes.length);
  for (let i = 0; i < indexes.length; i++) out[i] = source[indexes[i]!]!;
  return out;
}

function gatherPairs(source: Uint32Array, indexes: Uint32Array): Uint32Array {
  const out = new Uint32Array(indexes.length * 2);
  for (let i = 0; i < indexes.length; i++) {
    out[2 * i] = source[2 * indexes[i]!]!;
    out[2 * i + 1] = source[2 * indexes[i]! + 1]!;
  }
  return out;
}
