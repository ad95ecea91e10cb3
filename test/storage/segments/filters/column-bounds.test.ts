import { describe, expect, test } from "vitest";
import {
  ColumnBounds,
  type FoundBounds,
  MAX_BOUNDS,
  readNumberBounds,
} from "../../../../src/storage/segments/filters/column-bounds.ts";
import { SameColumns } from "../../../../src/storage/segments/filters/same-columns.ts";
import { PhysicalType } from "../../../../src/storage/segments/parquet/schema.ts";
import { ThriftReader } from "../../../../src/storage/segments/parquet/thrift-reader.ts";
import { ThriftWriter } from "../../../../src/storage/segments/parquet/thrift-writer.ts";

type Statistics = {
  readonly nullCount?: number;
  readonly min?: Uint8Array;
  readonly max?: Uint8Array;
};

function statistics({ nullCount, min, max }: Statistics): ThriftReader {
  const thrift = new ThriftWriter();
  if (nullCount !== undefined) thrift.i64(3, nullCount);
  if (max !== undefined) thrift.binary(5, max);
  if (min !== undefined) thrift.binary(6, min);
  thrift.end();
  return new ThriftReader(thrift.sink.view().slice());
}

function int64(value: bigint): Uint8Array {
  return new Uint8Array(BigInt64Array.of(value).buffer);
}

function double(value: number): Uint8Array {
  return new Uint8Array(Float64Array.of(value).buffer);
}

const { INT64, DOUBLE } = PhysicalType;
const of = (type: number, stats: Statistics, valueCount = 10) =>
  readNumberBounds(statistics(stats), type, valueCount);

describe("bounds in statistics", () => {
  test("are numbers of their type", () => {
    expect(of(INT64, { min: int64(-3n), max: int64(2n ** 63n - 1n) })).toEqual({
      min: -3,
      max: 2 ** 63,
    });
    expect(of(DOUBLE, { min: double(-0), max: double(0), nullCount: 3 })).toEqual({
      min: -0,
      max: 0,
    });
    expect(of(DOUBLE, { min: double(-Infinity), max: double(Infinity) })).toEqual({
      min: -Infinity,
      max: Infinity,
    });
  });

  test.each<[string, number, Statistics]>([
    ["are missing", INT64, {}],
    ["are missing, and not all is NULL", INT64, { nullCount: 9 }],
    ["are half there", INT64, { min: int64(1n) }],
    ["are half there, and all is NULL", INT64, { max: int64(1n), nullCount: 10 }],
    ["are exchanged", INT64, { min: int64(2n), max: int64(1n) }],
    ["are too short", INT64, { min: int64(1n).subarray(1), max: int64(2n) }],
    ["are too long", INT64, { min: int64(1n), max: new Uint8Array(9) }],
    ["have a NaN below", DOUBLE, { min: double(Number.NaN), max: double(1) }],
    ["have a NaN above", DOUBLE, { min: double(1), max: double(Number.NaN) }],
  ])("tell nothing when they %s", (_, type, stats) => {
    expect(of(type, stats)).toBeUndefined();
  });

  test("that are not there since there is no value hold nothing", () => {
    const { min, max } = of(INT64, { nullCount: 10 })!;
    expect(min).toBeGreaterThan(max);
  });
});

describe("bounds of a segment's columns", () => {
  const found: FoundBounds[] = [
    { column: "duration_ns", group: 0, min: 5, max: 10 },
    { column: "duration_ns", group: 1, min: 20, max: 30 },
    { column: "span.n", group: 1, min: Infinity, max: -Infinity },
  ];
  const bounds = new ColumnBounds(found, 2, new SameColumns());

  test.each([
    [0, -Infinity, 4.9, false],
    [0, -Infinity, 5, true],
    [0, 7, 7, true],
    [0, 10, Infinity, true],
    [0, 10.5, Infinity, false],
    [1, 11, 19, false],
    [1, 1, 100, true],
  ])("row group %i, %d to %d: %s", (group, min, max, wanted) => {
    expect(bounds.mayHold("duration_ns", group, min, max)).toBe(wanted);
  });

  test("that are not known hold anything, those of no values nothing", () => {
    expect(bounds.mayHold("span.n", 0, 5, 5)).toBe(true);
    expect(bounds.mayHold("span.n", 1, 5, 5)).toBe(false);
    expect(bounds.mayHold("span.n", 1, -Infinity, 5)).toBe(false);
    expect(bounds.mayHold("span.n", 1, 5, Infinity)).toBe(false);
    expect(bounds.mayHold("span.m", 1, 5, 5)).toBe(true);
  });

  test("are counted, and not more than there may be", () => {
    const empty = new ColumnBounds([], 2, new SameColumns());
    expect(bounds.memoryBytes - empty.memoryBytes).toBe(2 * 2 * 16);
    const many = (count: number) => new ColumnBounds(found.slice(2), count, new SameColumns());
    expect(many(MAX_BOUNDS).mayHold("span.n", 1, 5, 5)).toBe(false);
    expect(() => many(MAX_BOUNDS + 1)).toThrow("row groups");
  });
});
