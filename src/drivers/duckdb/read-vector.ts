import duckdb from "@duckdb/node-bindings";
import { PintailError } from "../../errors.ts";
import type { SqlValue } from "./database.ts";

const { Type } = duckdb;
/** A leading byte order mark is part of the value. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The values of a vector, not yet made. Its chunk must be alive. */
export type VectorValues = {
  slice(from: number, to: number): SqlValue[];
  /** Of lists, and of what holds some: how many elements a value has, those of inner lists too. */
  elementsOf?(row: number): number;
};

/** For the first `count` values of a vector of one type. */
type Reader = (vector: duckdb.Vector, count: number) => VectorValues;

/**
 * A reader for a column type, made once per result. It copies a vector's memory once and reads that,
 * without an object per value. Throws `unsupported` for a type that `SqlValue` has no form for.
 */
export function vectorReader(type: duckdb.LogicalType): Reader {
  const id = duckdb.get_type_id(type);
  switch (id) {
    case Type.LIST:
      return listReader(vectorReader(duckdb.list_type_child_type(type)));
    case Type.ARRAY:
      return arrayReader(
        vectorReader(duckdb.array_type_child_type(type)),
        duckdb.array_type_array_size(type),
      );
    case Type.MAP:
      return mapReader(
        vectorReader(duckdb.map_type_key_type(type)),
        vectorReader(duckdb.map_type_value_type(type)),
      );
    case Type.STRUCT:
      return structReader(type);
    case Type.ENUM:
      return enumReader(type);
    case Type.DECIMAL:
      return decimalReader(type);
    case Type.SQLNULL:
      return () => ({ slice: (from, to) => new Array<SqlValue>(to - from).fill(null) });
    default:
      return flatReader(id);
  }
}

/** Name of a type as SQL has it, for messages and result columns. */
export function typeName(type: duckdb.LogicalType): string {
  const id = duckdb.get_type_id(type);
  if (id === Type.LIST) return `${typeName(duckdb.list_type_child_type(type))}[]`;
  if (id === Type.MAP) {
    const key = typeName(duckdb.map_type_key_type(type));
    return `MAP(${key}, ${typeName(duckdb.map_type_value_type(type))})`;
  }
  if (id === Type.STRUCT) {
    const fields = structFields(type).map(({ name, type }) => `${name} ${typeName(type)}`);
    return `STRUCT(${fields.join(", ")})`;
  }
  if (id === Type.DECIMAL) {
    return `DECIMAL(${duckdb.decimal_width(type)},${duckdb.decimal_scale(type)})`;
  }
  return TYPE_NAMES.get(id) ?? Type[id] ?? "UNKNOWN";
}

const TYPE_NAMES: ReadonlyMap<duckdb.Type, string> = new Map([
  [Type.TIME_TZ, "TIME WITH TIME ZONE"],
  [Type.TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE"],
  [Type.SQLNULL, "NULL"],
]);

function flatReader(id: duckdb.Type): Reader {
  switch (id) {
    case Type.BOOLEAN:
      return fixed(1, (view, at) => view.getUint8(at) !== 0);
    case Type.TINYINT:
      return fixed(1, (view, at) => view.getInt8(at));
    case Type.UTINYINT:
      return fixed(1, (view, at) => view.getUint8(at));
    case Type.SMALLINT:
      return fixed(2, (view, at) => view.getInt16(at, true));
    case Type.USMALLINT:
      return fixed(2, (view, at) => view.getUint16(at, true));
    case Type.INTEGER:
    case Type.DATE:
      return fixed(4, (view, at) => view.getInt32(at, true));
    case Type.UINTEGER:
      return fixed(4, (view, at) => view.getUint32(at, true));
    case Type.BIGINT:
    case Type.TIMESTAMP:
    case Type.TIMESTAMP_S:
    case Type.TIMESTAMP_MS:
    case Type.TIMESTAMP_NS:
    case Type.TIMESTAMP_TZ:
    case Type.TIME:
    case Type.TIME_NS:
      return fixed(8, (view, at) => view.getBigInt64(at, true));
    case Type.UBIGINT:
      return fixed(8, (view, at) => view.getBigUint64(at, true));
    case Type.FLOAT:
      return fixed(4, (view, at) => view.getFloat32(at, true));
    case Type.DOUBLE:
      return fixed(8, (view, at) => view.getFloat64(at, true));
    case Type.HUGEINT:
      return fixed(16, int128);
    case Type.UHUGEINT:
      return fixed(16, (view, at) => BigInt.asUintN(128, int128(view, at)));
    case Type.UUID:
      return fixed(16, uuidHex);
    case Type.INTERVAL:
      return fixed(16, (view, at) => ({
        months: view.getInt32(at, true),
        days: view.getInt32(at + 4, true),
        micros: view.getBigInt64(at + 8, true),
      }));
    case Type.VARCHAR:
      return fixed(16, text);
    case Type.BLOB:
      // A copy: what the client gives may be a `Buffer`, whose `slice` is none.
      return fixed(16, (view, at) => new Uint8Array(stringBytes(view, at)));
    default:
      throw new PintailError(
        "unsupported",
        `a result column of type ${Type[id] ?? id} cannot be read; cast it to VARCHAR`,
      );
  }
}

/** A reader for values of `width` bytes. */
function fixed(width: number, valueAt: (view: DataView, at: number) => SqlValue): Reader {
  return (vector, count) => {
    if (count === 0) return NO_VALUES;
    const view = dataOf(vector, count * width);
    const validity = validityOf(vector, count);
    return {
      slice(from, to) {
        const values = new Array<SqlValue>(to - from);
        for (let i = from; i < to; i++) {
          values[i - from] = isValid(validity, i) ? valueAt(view, i * width) : null;
        }
        return values;
      },
    };
  };
}

const NO_VALUES: VectorValues = { slice: () => [] };

function listReader(child: Reader): Reader {
  return (vector, count) => {
    if (count === 0) return { ...NO_VALUES, elementsOf: () => 0 };
    const entries = dataOf(vector, count * 16);
    const validity = validityOf(vector, count);
    const items = child(duckdb.list_vector_get_child(vector), duckdb.list_vector_get_size(vector));
    // Lists of one vector hold far fewer than 2^32 items, so the low words are enough.
    const offsetOf = (i: number): number => entries.getUint32(i * 16, true);
    const lengthOf = (i: number): number =>
      isValid(validity, i) ? entries.getUint32(i * 16 + 8, true) : 0;
    return {
      slice(from, to) {
        const lists = new Array<SqlValue>(to - from);
        for (let i = from; i < to; i++) {
          const offset = offsetOf(i);
          lists[i - from] = isValid(validity, i) ? items.slice(offset, offset + lengthOf(i)) : null;
        }
        return lists;
      },
      elementsOf(row) {
        const length = lengthOf(row);
        if (items.elementsOf === undefined) return length;
        let elements = length;
        const offset = offsetOf(row);
        for (let i = offset; i < offset + length; i++) elements += items.elementsOf(i);
        return elements;
      },
    };
  };
}

function arrayReader(child: Reader, size: number): Reader {
  return (vector, count) => {
    const validity = validityOf(vector, count);
    const items = child(duckdb.array_vector_get_child(vector), count * size);
    return {
      slice(from, to) {
        const arrays = new Array<SqlValue>(to - from);
        for (let i = from; i < to; i++) {
          arrays[i - from] = isValid(validity, i) ? items.slice(i * size, (i + 1) * size) : null;
        }
        return arrays;
      },
      elementsOf: () => size,
    };
  };
}

/** A map is a list of structs of key and value. */
function mapReader(keyReader: Reader, valueReader: Reader): Reader {
  const entries: Reader = (vector, count) => {
    const keys = keyReader(duckdb.struct_vector_get_child(vector, 0), count);
    const values = valueReader(duckdb.struct_vector_get_child(vector, 1), count);
    return {
      slice(from, to) {
        const valuesOfSlice = values.slice(from, to);
        return keys.slice(from, to).map((key, i) => [key, valuesOfSlice[i] ?? null]);
      },
    };
  };
  return listReader(entries);
}

function structReader(type: duckdb.LogicalType): Reader {
  const fields = structFields(type).map((field) => ({ ...field, read: vectorReader(field.type) }));
  return (vector, count) => {
    const parts = fields.map(({ read }, f) =>
      read(duckdb.struct_vector_get_child(vector, f), count),
    );
    const lists = parts.filter(({ elementsOf }) => elementsOf !== undefined);
    const validity = validityOf(vector, count);
    return {
      slice(from, to) {
        const columns = parts.map((part) => part.slice(from, to));
        const structs = new Array<SqlValue>(to - from);
        for (let i = 0; i < structs.length; i++) {
          if (!isValid(validity, from + i)) {
            structs[i] = null;
            continue;
          }
          const struct: Record<string, SqlValue> = {};
          for (let f = 0; f < fields.length; f++) {
            struct[fields[f]?.name ?? ""] = columns[f]?.[i] ?? null;
          }
          structs[i] = struct;
        }
        return structs;
      },
      ...(lists.length > 0 && {
        elementsOf: (row) => lists.reduce((sum, list) => sum + (list.elementsOf?.(row) ?? 0), 0),
      }),
    };
  };
}

function structFields(type: duckdb.LogicalType) {
  return Array.from({ length: duckdb.struct_type_child_count(type) }, (_, f) => ({
    name: duckdb.struct_type_child_name(type, f),
    type: duckdb.struct_type_child_type(type, f),
  }));
}

function enumReader(type: duckdb.LogicalType): Reader {
  const names = Array.from({ length: duckdb.enum_dictionary_size(type) }, (_, i) =>
    duckdb.enum_dictionary_value(type, i),
  );
  const codes = flatReader(duckdb.enum_internal_type(type));
  return mapped(codes, (code) => names[Number(code)] ?? null);
}

function decimalReader(type: duckdb.LogicalType): Reader {
  const unscaled = flatReader(duckdb.decimal_internal_type(type));
  const scale = 10 ** duckdb.decimal_scale(type);
  return mapped(unscaled, (value) => Number(value) / scale);
}

function mapped(reader: Reader, change: (value: SqlValue) => SqlValue): Reader {
  return (vector, count) => {
    const values = reader(vector, count);
    return {
      slice: (from, to) =>
        values.slice(from, to).map((value) => (value === null ? null : change(value))),
    };
  };
}

function dataOf(vector: duckdb.Vector, byteCount: number): DataView {
  const data = duckdb.vector_get_data(vector, byteCount);
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

/** A bit per value, absent when no value is NULL. */
function validityOf(vector: duckdb.Vector, count: number): Uint8Array | null {
  return duckdb.vector_get_validity(vector, Math.ceil(count / 64) * 8);
}

function isValid(validity: Uint8Array | null, i: number): boolean {
  return validity === null || ((validity[i >> 3] ?? 0) & (1 << (i & 7))) !== 0;
}

const INLINE_BYTES = 12;

/** Strings of up to 12 bytes rest in the vector, longer ones behind a pointer. */
function stringBytes(view: DataView, at: number): Uint8Array {
  const length = view.getUint32(at, true);
  if (length <= INLINE_BYTES) {
    return new Uint8Array(view.buffer, view.byteOffset + at + 4, length);
  }
  const buffer = view.buffer as ArrayBuffer;
  return duckdb.get_data_from_pointer(buffer, view.byteOffset + at + 8, length);
}

function text(view: DataView, at: number): string {
  const length = view.getUint32(at, true);
  if (length > INLINE_BYTES) return utf8.decode(stringBytes(view, at));
  let result = "";
  for (let i = at + 4; i < at + 4 + length; i++) {
    const byte = view.getUint8(i);
    if (byte >= 0x80) return utf8.decode(stringBytes(view, at));
    result += String.fromCharCode(byte);
  }
  return result;
}

function int128(view: DataView, at: number): bigint {
  return (view.getBigInt64(at + 8, true) << 64n) | view.getBigUint64(at, true);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** DuckDB keeps a UUID as a number whose top bit is flipped, so that it sorts as signed. */
function uuidHex(view: DataView, at: number): string {
  let hex = HEX[view.getUint8(at + 15) ^ 0x80] ?? "";
  for (let i = at + 14; i >= at; i--) hex += HEX[view.getUint8(i)];
  return hex;
}
