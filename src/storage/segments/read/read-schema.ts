import type { SqlType } from "../../../schema/columns.ts";
import { PhysicalType, Repetition, TYPE_INFO } from "../parquet/schema.ts";
import type { ThriftReader } from "../parquet/thrift-reader.ts";
import { ThriftType } from "../parquet/thrift-writer.ts";
import { corrupt, unsupported } from "./read-error.ts";
import { readCount } from "./read-thrift.ts";

/** One stored sequence of values. */
export type Leaf = {
  readonly index: number;
  readonly type: SqlType;
  readonly maxDef: number;
  readonly maxRep: number;
  /** The lists and maps around it of which it is not the first leaf. */
  readonly elders: readonly ElderLeaf[];
};
/** The first leaf of a list or map. Where it has no element, the others have the same levels. */
export type ElderLeaf = { readonly index: number; readonly elementDef: number };

/** How leaves make up a column's values. */
export type ColumnNode =
  | { readonly kind: "leaf"; readonly leaf: Leaf }
  | { readonly kind: "struct"; readonly fields: readonly NamedNode[] }
  | RepeatedNode;
export type RepeatedNode = {
  /** A map's element is a struct of key and value. */
  readonly kind: "list" | "map";
  readonly element: ColumnNode;
  /** Definition level from which on there is an element; one less is an empty list. */
  readonly elementDef: number;
  /** Repetition level of its second and later elements. */
  readonly rep: number;
  readonly leaves: readonly Leaf[];
};
export type NamedNode = { readonly name: string; readonly node: ColumnNode };

export type ReadSchema = {
  readonly columns: readonly NamedNode[];
  readonly leaves: readonly Leaf[];
};

type Element = {
  physical: number | undefined;
  byteWidth: number | undefined;
  repetition: number;
  name: string;
  children: number | undefined;
  converted: number | undefined;
  /** Member of the LogicalType union, 0 without one; `nanos` is set for timestamps of that unit. */
  logical: number;
  nanos: boolean;
};

/** Lists in lists; ours has two. */
const MAX_DEPTH = 4;
const MAX_ELEMENTS = 4096;
const LIST = 3;
const MAP = 2;

/** The list of SchemaElements of a footer, which `reader` stands in front of. */
export function readSchema(reader: ThriftReader): ReadSchema {
  const list = reader.beginList();
  if (list.type !== ThriftType.struct || list.count < 1) throw corrupt("the schema is no list");
  if (list.count > MAX_ELEMENTS) throw unsupported(`a schema of ${list.count} elements`);
  const elements = Array.from({ length: list.count }, () => readElement(reader));
  const builder = new SchemaBuilder(elements);
  const root = builder.next();
  const columns: NamedNode[] = [];
  for (let i = 0; i < (root.children ?? 0); i++) columns.push(builder.column(0, 0, []));
  builder.finish();
  return { columns, leaves: builder.leaves };
}

class SchemaBuilder {
  readonly leaves: Leaf[] = [];
  readonly #elements: readonly Element[];
  #at = 0;

  constructor(elements: readonly Element[]) {
    this.#elements = elements;
  }

  next(): Element {
    const element = this.#elements[this.#at++];
    if (element === undefined) throw corrupt("the schema ends early");
    return element;
  }

  finish(): void {
    if (this.#at !== this.#elements.length) throw corrupt("the schema has loose ends");
  }

  column(def: number, rep: number, around: readonly ElderLeaf[]): NamedNode {
    if (around.length > MAX_DEPTH) throw unsupported("a schema nested deeply");
    const element = this.next();
    const { name, repetition } = element;
    if (repetition === Repetition.repeated) throw unsupported(`a repeated column ${name}`);
    const ownDef = def + (repetition === Repetition.optional ? 1 : 0);
    if (element.children === undefined) {
      const index = this.leaves.length;
      const elders = around.filter((elder) => elder.index !== index);
      const leaf = { index, type: typeOf(element), maxDef: ownDef, maxRep: rep, elders };
      this.leaves.push(leaf);
      return { name, node: { kind: "leaf", leaf } };
    }
    return { name, node: this.#repeated(element, ownDef, rep, around) };
  }

  #repeated(group: Element, def: number, rep: number, around: readonly ElderLeaf[]): RepeatedNode {
    const kind =
      group.logical === LIST || group.converted === 3
        ? "list"
        : group.logical === MAP || group.converted === 1
          ? "map"
          : undefined;
    const repeated = this.next();
    if (
      kind === undefined ||
      group.children !== 1 ||
      repeated.repetition !== Repetition.repeated ||
      repeated.children !== (kind === "list" ? 1 : 2)
    ) {
      throw unsupported(`the form of column ${group.name}`);
    }
    const elementDef = def + 1;
    const firstLeaf = this.leaves.length;
    const inside = [...around, { index: firstLeaf, elementDef }];
    const element =
      kind === "map"
        ? this.#struct(2, elementDef, rep + 1, inside)
        : this.#listElement(elementDef, rep + 1, inside);
    const leaves = this.leaves.slice(firstLeaf);
    return { kind, element, elementDef, rep: rep + 1, leaves };
  }

  #listElement(def: number, rep: number, around: readonly ElderLeaf[]): ColumnNode {
    const element = this.next();
    const { children } = element;
    if (children === undefined || element.repetition !== Repetition.required) {
      throw unsupported("a list of anything but structs");
    }
    return this.#struct(children, def, rep, around);
  }

  #struct(count: number, def: number, rep: number, around: readonly ElderLeaf[]): ColumnNode {
    if (count < 1) throw unsupported("a struct without fields");
    const fields: NamedNode[] = [];
    for (let i = 0; i < count; i++) fields.push(this.column(def, rep, around));
    return { kind: "struct", fields };
  }
}

// Members of LogicalType, and values of ConvertedType.
const STRING = 1;
const TIMESTAMP = 8;
const UUID = 14;
const UTF8 = 0;
const UINT_32 = 13;
const UINT_64 = 14;

function typeOf(element: Element): SqlType {
  const type = candidateType(element);
  if (type === undefined || TYPE_INFO[type].physical !== element.physical) {
    throw unsupported(`the type of column ${element.name}`);
  }
  return type;
}

function candidateType({ physical, byteWidth, converted, logical, nanos }: Element) {
  const plain = converted === undefined && logical === 0;
  switch (physical) {
    case PhysicalType.BOOLEAN:
      return plain ? "BOOLEAN" : undefined;
    case PhysicalType.DOUBLE:
      return plain ? "DOUBLE" : undefined;
    case PhysicalType.INT32:
      return plain ? "INTEGER" : converted === UINT_32 ? "UINTEGER" : undefined;
    case PhysicalType.INT64:
      if (logical === TIMESTAMP) return nanos ? "TIMESTAMP_NS" : undefined;
      return plain ? "BIGINT" : converted === UINT_64 ? "UBIGINT" : undefined;
    case PhysicalType.BYTE_ARRAY:
      return converted === UTF8 || logical === STRING ? "VARCHAR" : undefined;
    case PhysicalType.FIXED_LEN_BYTE_ARRAY:
      return byteWidth === 16 && logical === UUID ? "UUID" : undefined;
    default:
      return undefined;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function readElement(reader: ThriftReader): Element {
  const element: Element = {
    physical: undefined,
    byteWidth: undefined,
    repetition: Repetition.required,
    name: "",
    children: undefined,
    converted: undefined,
    logical: 0,
    nanos: false,
  };
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    const id = reader.fieldId;
    if (type === ThriftType.i32 && id <= 6) {
      const value = readCount(reader);
      if (id === 1) element.physical = value;
      else if (id === 2) element.byteWidth = value;
      else if (id === 3) element.repetition = value;
      else if (id === 5) element.children = value;
      else if (id === 6) element.converted = value;
    } else if (type === ThriftType.binary && id === 4)
      element.name = decoder.decode(reader.binary());
    else if (type === ThriftType.struct && id === 10) readLogicalType(reader, element);
    else reader.skip(type);
  }
  // Thrift lets a writer leave out an empty list of children, so a type is what makes a leaf.
  if ((element.physical === undefined) === (element.children === undefined)) {
    throw corrupt(`column ${element.name} is neither a leaf nor a group`);
  }
  return element;
}

function readLogicalType(reader: ThriftReader, element: Element): void {
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    element.logical = reader.fieldId;
    if (reader.fieldId === TIMESTAMP && type === ThriftType.struct) {
      element.nanos = readTimestampType(reader);
    } else reader.skip(type);
  }
}

/** Whether the unit is nanoseconds. */
function readTimestampType(reader: ThriftReader): boolean {
  let nanos = false;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    if (reader.fieldId !== 2 || type !== ThriftType.struct) {
      reader.skip(type);
      continue;
    }
    nanos = isNanos(reader);
  }
  return nanos;
}

/** TimeUnit, a union whose third member is nanoseconds. */
function isNanos(reader: ThriftReader): boolean {
  let nanos = false;
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    nanos = reader.fieldId === 3;
    reader.skip(type);
  }
  return nanos;
}
