import { describe, expect, test } from "vitest";
import { ThriftCompactReader } from "../../src/util/thrift-compact.ts";
import { ThriftError, ThriftType } from "../../src/util/thrift-reader.ts";

function reader(...bytes: number[]): ThriftCompactReader {
  const r = new ThriftCompactReader();
  r.reset(Uint8Array.from(bytes));
  return r;
}

const VARINT_2_31 = [0xff, 0xff, 0xff, 0xff, 0x07];

test("fields, numbers and strings are read, ids from their differences", () => {
  const r = reader(
    ...[0x16, 0x01, 0x11, 0x12],
    ...[0x06, 0x8e, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ...[0x18, 2, 0x68, 0x69, 0x17, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0],
  );
  expect([r.field(0), r.fieldId, r.i64(), r.hi]).toEqual([
    ThriftType.i64,
    1,
    0xffffffff,
    0xffffffff,
  ]);
  expect([r.field(1), r.fieldId, r.bool()]).toEqual([ThriftType.bool, 2, true]);
  expect([r.field(2), r.fieldId, r.bool()]).toEqual([ThriftType.bool, 3, false]);
  // A difference of 0 is followed by the id itself; then the least number of 64 bits.
  expect([r.field(3), r.fieldId, r.i64(), r.hi]).toEqual([ThriftType.i64, 135, 0, 0x80000000]);
  expect([r.field(135), r.fieldId]).toEqual([ThriftType.binary, 136]);
  r.binary();
  expect(new TextDecoder().decode(r.bytes.subarray(r.start, r.end))).toBe("hi");
  expect([r.field(136), r.double(), r.hi]).toEqual([ThriftType.double, 0, 0x3ff80000]);
  expect([r.field(137), r.pos]).toEqual([ThriftType.stop, r.bytes.length]);
});

test("numbers of 32 bits are in zigzag", () => {
  const r = reader(0, 1, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xfe, 0xff, 0xff, 0xff, 0x0f);
  expect([r.i32(), r.i32(), r.i32(), r.i32(), r.i32()]).toEqual([
    0,
    -1,
    1,
    -(2 ** 31),
    2 ** 31 - 1,
  ]);
});

test("a message names its method", () => {
  expect(reader(0x82, 0x81, 0x05, 4, 0x70, 0x69, 0x6e, 0x67).message()).toBe("ping");
  expect(() => reader(0x80, 0x01, 0, 0).message()).toThrow("no message");
  expect(() => reader(0x82, 0x82, 0, 0).message()).toThrow("unknown version");
});

describe("what the data has no room for is refused at once", () => {
  test.each([
    ["a list of 2^31 - 1", [0xfc, ...VARINT_2_31]],
    ["a list of 3 structs in 2 bytes", [0x3c, 0, 0]],
    ["a list of more than 2^32", [0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 1]],
    ["elements of no type", [0x10, 0]],
    ["elements of an unknown type", [0x1e, 0]],
  ])("%s", (_, bytes) => {
    expect(() => reader(...bytes).list()).toThrow(ThriftError);
  });

  test("a string, a number, a map, a varint without an end", () => {
    expect(() => reader(2, 0x61).binary()).toThrow(ThriftError);
    expect(() => reader(...VARINT_2_31).binary()).toThrow(ThriftError);
    expect(() => reader(0x80).i32()).toThrow(ThriftError);
    expect(() => reader().i32()).toThrow(ThriftError);
    expect(() => reader(1, 2, 3).double()).toThrow(ThriftError);
    expect(() => reader(...VARINT_2_31, 0x11, 1).skip(ThriftType.map)).toThrow(ThriftError);
    expect(() => reader(...new Array(11).fill(0x80)).i64()).toThrow("more than 10 bytes");
  });
});

test("a value of any type is skipped, bools in their two forms", () => {
  const value = [
    ...[0x11, 0x12, 0x29, 0x31, 1, 2, 1],
    ...[0x1b, 1, 0x85, 1, 0x61, 7],
    ...[0x1a, 0x26, 1, 0x80, 1, 0x1c, 0x13, 9, 0],
    ...[0x1d, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0x1b, 0, 0],
  ];
  const r = reader(...value, 99);
  r.skip(ThriftType.struct);
  expect(r.pos).toBe(value.length);
});

test("skipping stops at a depth, not at the end of the stack", () => {
  const nested = new Array<number>(10_000).fill(0x19);
  expect(() => reader(...nested).skip(ThriftType.list)).toThrow("nest deeper");
});
