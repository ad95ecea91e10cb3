import { PhysicalType } from "../parquet/schema.ts";
import type { ThriftReader } from "../parquet/thrift-reader.ts";
import { ThriftType } from "../parquet/thrift-writer.ts";
import { unsupported } from "../read/read-error.ts";
import { readCount } from "../read/read-thrift.ts";
import type { ColumnNumbers, SameColumns } from "./same-columns.ts";

/** Of one segment; ours have some hundred at most, of 16 bytes each. */
export const MAX_BOUNDS = 1 << 16;

/** Least and greatest value; NaN where it is not known, the least above the greatest without values. */
export type NumberBounds = { readonly min: number; readonly max: number };

export type FoundBounds = NumberBounds & { readonly column: string; readonly group: number };

/** Bounds of a segment's columns of numbers by row group, as the doubles next to them. */
export class ColumnBounds {
  /** About what it takes of memory. */
  readonly memoryBytes: number;
  readonly #groupCount: number;
  /** Segments with the same columns share one. */
  readonly #columns: ColumnNumbers;
  /** By column and row group: least, greatest. */
  readonly #table: Float64Array;

  /** Throws `unsupported` when there are too many. */
  constructor(found: readonly FoundBounds[], groupCount: number, sameColumns: SameColumns) {
    const names = [...new Set(found.map(({ column }) => column))];
    if (names.length * groupCount > MAX_BOUNDS) {
      throw unsupported(`bounds of ${names.length} columns and ${groupCount} row groups`);
    }
    this.#groupCount = groupCount;
    this.#columns = sameColumns.of(names);
    this.#table = new Float64Array(2 * names.length * groupCount).fill(Number.NaN);
    for (const { column, group, min, max } of found) {
      this.#table.set([min, max], this.#at(this.#columns.get(column)!, group));
    }
    this.memoryBytes = 256 + this.#table.byteLength;
  }

  /** False when the row group certainly has no number in `[min, max]`, ends included. */
  mayHold(column: string, group: number, min: number, max: number): boolean {
    const number = this.#columns.get(column);
    if (number === undefined) return true;
    const at = this.#at(number, group);
    // So that nothing follows from NaN.
    return !(this.#table[at]! > max || this.#table[at + 1]! < min);
  }

  #at(number: number, group: number): number {
    return 2 * (number * this.#groupCount + group);
  }
}

/** Physical types of numbers; integers are signed. */
export function hasBounds(type: number): boolean {
  const { INT32, INT64, DOUBLE } = PhysicalType;
  return type === INT32 || type === INT64 || type === DOUBLE;
}

const NONE: NumberBounds = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };

/**
 * Bounds in the Statistics that `reader` stands in front of, of a chunk of a type of `hasBounds` with
 * `valueCount` values, NULLs among them. Undefined when there are none, or none that can be.
 */
export function readNumberBounds(
  reader: ThriftReader,
  type: number,
  valueCount: number,
): NumberBounds | undefined {
  let nullCount = -1;
  let min: Uint8Array | undefined;
  let max: Uint8Array | undefined;
  reader.beginStruct();
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    const id = reader.fieldId;
    if (id === 3 && field === ThriftType.i64) nullCount = readCount(reader);
    else if (id === 5 && field === ThriftType.binary) max = reader.binary();
    else if (id === 6 && field === ThriftType.binary) min = reader.binary();
    else reader.skip(field);
  }
  if (min === undefined && max === undefined) return nullCount === valueCount ? NONE : undefined;
  const width = type === PhysicalType.INT32 ? 4 : 8;
  if (min?.length !== width || max?.length !== width) return undefined;
  const bounds = { min: numberOf(min, type), max: numberOf(max, type) };
  // Not so where one is NaN.
  return bounds.min <= bounds.max ? bounds : undefined;
}

function numberOf(bytes: Uint8Array, type: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === PhysicalType.DOUBLE) return view.getFloat64(0, true);
  if (type === PhysicalType.INT32) return view.getInt32(0, true);
  return Number(view.getBigInt64(0, true));
}
