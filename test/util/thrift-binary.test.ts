import { describe, expect, test } from "vitest";
import { ThriftBinaryReader } from "../../src/util/thrift-binary.ts";
import { ThriftError, ThriftType } from "../../src/util/thrift-reader.ts";

function reader(...bytes: number[]): ThriftBinaryReader {
  const r = new ThriftBinaryReader();
  r.reset(Uint8Array.from(bytes));
  return r;
}

const LIST_OF_2_31 = [ThriftType.struct, 0x7f, 0xff, 0xff, 0xff];

test("fields, numbers and strings are read in big endian", () => {
  const r = reader(
    ...[10, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 5],
    ...[11, 0xff, 0xff, 0, 0, 0, 2, 0x68, 0x69],
    ...[6, 0, 3, 0xff, 0xfe, 8, 0, 4, 0xff, 0xff, 0xff, 0xfd, 2, 0, 5, 1, 0],
  );
  expect([r.field(), r.fieldId, r.i64(), r.hi]).toEqual([ThriftType.i64, 1, 5, 0x80000000]);
  expect([r.field(), r.fieldId]).toEqual([ThriftType.binary, -1]);
  r.binary();
  expect(new TextDecoder().decode(r.bytes.subarray(r.start, r.end))).toBe("hi");
  expect([r.field(), r.i16()]).toEqual([ThriftType.i16, -2]);
  expect([r.field(), r.i32()]).toEqual([ThriftType.i32, -3]);
  expect([r.field(), r.bool()]).toEqual([ThriftType.bool, true]);
  expect([r.field(), r.pos]).toEqual([ThriftType.stop, r.bytes.length]);
});

describe("what the data has no room for is refused at once", () => {
  test.each([
    ["a list of 2^31 - 1", LIST_OF_2_31],
    ["a list of -1", [ThriftType.struct, 0xff, 0xff, 0xff, 0xff]],
    ["a list of 3 doubles in 16 bytes", [ThriftType.double, 0, 0, 0, 3, ...new Array(16).fill(0)]],
    ["elements of no type", [0, 0, 0, 0, 1, 0]],
  ])("%s", (_, bytes) => {
    expect(() => reader(...bytes).list()).toThrow(ThriftError);
  });

  test("a string, a number, a map", () => {
    expect(() => reader(0, 0, 0, 2, 0x61).binary()).toThrow(ThriftError);
    expect(() => reader(0xff, 0xff, 0xff, 0xff).binary()).toThrow(ThriftError);
    expect(() => reader(0, 0, 0).i32()).toThrow(ThriftError);
    expect(() => reader(2, 2, 0x7f, 0xff, 0xff, 0xff, 1).skip(ThriftType.map)).toThrow(ThriftError);
  });
});

test("a value of any type is skipped", () => {
  const value = [
    ...[12, 0, 1, 2, 0, 1, 1, 0],
    ...[13, 0, 2, 11, 8, 0, 0, 0, 1, 0, 0, 0, 1, 0x61, 0, 0, 0, 7],
    ...[15, 0, 3, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
    ...[14, 0, 4, 3, 0, 0, 0, 2, 1, 2, 4, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ];
  const r = reader(...value, 99);
  r.skip(ThriftType.struct);
  expect(r.pos).toBe(value.length);
});

test("skipping stops at a depth, not at the end of the stack", () => {
  const nested: number[] = [];
  for (let i = 0; i < 10_000; i++) nested.push(ThriftType.list, 0, 0, 0, 1);
  expect(() => reader(...nested).skip(ThriftType.list)).toThrow("nest deeper");
});

test("a message names its method, with a strict header or an old one", () => {
  const ping = [0, 0, 0, 4, 0x70, 0x69, 0x6e, 0x67];
  expect(reader(0x80, 1, 0, 4, ...ping, 0, 0, 0, 0).message()).toBe("ping");
  expect(reader(...ping, 4, 0, 0, 0, 0).message()).toBe("ping");
  expect(() => reader(0x80, 2, 0, 4, ...ping, 0, 0, 0, 0).message()).toThrow("unknown version");
  expect(() => reader(...ping, 4, 0, 0, 0).message()).toThrow(ThriftError);
});
