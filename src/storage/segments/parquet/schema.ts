import type { SqlType } from "../../../schema/columns.ts";
import type { ThriftWriter } from "./thrift-writer.ts";
import type { NumberOrder } from "./value-domain.ts";

/** Parquet's physical types. */
export const PhysicalType = {
  BOOLEAN: 0,
  INT32: 1,
  INT64: 2,
  DOUBLE: 5,
  BYTE_ARRAY: 6,
  FIXED_LEN_BYTE_ARRAY: 7,
} as const;
export type PhysicalType = (typeof PhysicalType)[keyof typeof PhysicalType];

const REQUIRED = 0;
const OPTIONAL = 1;
const REPEATED = 2;
export type Repetition = 0 | 1 | 2;
export const Repetition = { required: REQUIRED, optional: OPTIONAL, repeated: REPEATED } as const;

export type SchemaNode = {
  readonly name: string;
  readonly repetition: Repetition;
  /** Of a leaf. */
  readonly type?: SqlType;
  /** Of a group. */
  readonly children?: readonly SchemaNode[];
  readonly group?: "list" | "map";
};

export function leafNode(name: string, type: SqlType, repetition: Repetition): SchemaNode {
  return { name, type, repetition };
}

/** `LIST` in its three-level form; neither the list's elements nor its struct are ever null. */
export function listNode(
  name: string,
  repetition: Repetition,
  fields: readonly SchemaNode[],
): SchemaNode {
  const element: SchemaNode = { name: "element", repetition: REQUIRED, children: fields };
  const list: SchemaNode = { name: "list", repetition: REPEATED, children: [element] };
  return { name, repetition, children: [list], group: "list" };
}

export function mapNode(name: string, valueType: SqlType): SchemaNode {
  const fields = [leafNode("key", "VARCHAR", REQUIRED), leafNode("value", valueType, REQUIRED)];
  const entries: SchemaNode = { name: "key_value", repetition: REPEATED, children: fields };
  return { name, repetition: OPTIONAL, children: [entries], group: "map" };
}

export type TypeInfo = {
  readonly physical: PhysicalType;
  /** Bytes of a fixed-width value. */
  readonly width: number | undefined;
  readonly order: NumberOrder | "bytes" | "bool";
};

export const TYPE_INFO: Record<SqlType, TypeInfo> = {
  UUID: { physical: PhysicalType.FIXED_LEN_BYTE_ARRAY, width: 16, order: "bytes" },
  UBIGINT: { physical: PhysicalType.INT64, width: 8, order: "u64" },
  BIGINT: { physical: PhysicalType.INT64, width: 8, order: "i64" },
  TIMESTAMP_NS: { physical: PhysicalType.INT64, width: 8, order: "i64" },
  INTEGER: { physical: PhysicalType.INT32, width: 4, order: "i32" },
  UINTEGER: { physical: PhysicalType.INT32, width: 4, order: "u32" },
  DOUBLE: { physical: PhysicalType.DOUBLE, width: 8, order: "double" },
  BOOLEAN: { physical: PhysicalType.BOOLEAN, width: undefined, order: "bool" },
  VARCHAR: { physical: PhysicalType.BYTE_ARRAY, width: undefined, order: "bytes" },
};

export function schemaElementCount(nodes: readonly SchemaNode[]): number {
  let count = nodes.length;
  for (const node of nodes) if (node.children) count += schemaElementCount(node.children);
  return count;
}

/** Writes the elements of `nodes`, depth first, as elements of an open list. */
export function writeSchemaElements(thrift: ThriftWriter, nodes: readonly SchemaNode[]): void {
  for (const node of nodes) {
    thrift.beginListed();
    if (node.type !== undefined) {
      const { physical } = TYPE_INFO[node.type];
      thrift.i32(1, physical);
      if (physical === PhysicalType.FIXED_LEN_BYTE_ARRAY) thrift.i32(2, 16);
    }
    thrift.i32(3, node.repetition);
    thrift.text(4, node.name);
    if (node.children) thrift.i32(5, node.children.length);
    if (node.type !== undefined) writeLogicalType(thrift, node.type);
    else if (node.group) writeGroupType(thrift, node.group);
    thrift.end();
    if (node.children) writeSchemaElements(thrift, node.children);
  }
}

/** ConvertedType (field 6, for old readers) and LogicalType (field 10). */
function writeLogicalType(thrift: ThriftWriter, type: SqlType): void {
  switch (type) {
    case "VARCHAR":
      thrift.i32(6, 0);
      emptyLogicalType(thrift, 1);
      break;
    case "UUID":
      emptyLogicalType(thrift, 14);
      break;
    case "UBIGINT":
      thrift.i32(6, 14);
      unsignedLogicalType(thrift, 64);
      break;
    case "UINTEGER":
      thrift.i32(6, 13);
      unsignedLogicalType(thrift, 32);
      break;
    case "TIMESTAMP_NS":
      thrift.begin(10);
      thrift.begin(8);
      thrift.bool(1, false);
      thrift.begin(2);
      thrift.begin(3);
      thrift.end();
      thrift.end();
      thrift.end();
      thrift.end();
      break;
    case "BIGINT":
    case "INTEGER":
    case "DOUBLE":
    case "BOOLEAN":
      break;
  }
}

function writeGroupType(thrift: ThriftWriter, group: "list" | "map"): void {
  thrift.i32(6, group === "list" ? 3 : 1);
  emptyLogicalType(thrift, group === "list" ? 3 : 2);
}

function emptyLogicalType(thrift: ThriftWriter, member: number): void {
  thrift.begin(10);
  thrift.begin(member);
  thrift.end();
  thrift.end();
}

function unsignedLogicalType(thrift: ThriftWriter, bits: number): void {
  thrift.begin(10);
  thrift.begin(10);
  thrift.i8(1, bits);
  thrift.bool(2, false);
  thrift.end();
  thrift.end();
}
