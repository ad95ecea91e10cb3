import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type NumericStatic,
  type RangeOp,
  rangeOf,
} from "../../../src/traceql/sql/literal-range.ts";
import { compareStatics } from "../../../src/traceql/static-ops.ts";
import { INT64_MAX, INT64_MIN } from "../../../src/traceql/words.ts";

const OPS: readonly RangeOp[] = ["=", "<", "<=", ">", ">="];
const int = (value: bigint): NumericStatic => ({ type: "int", value });
const float = (value: number): NumericStatic => ({ type: "float", value });

describe("ends that doubles cannot tell apart", () => {
  const edge = 2n ** 53n;

  test.each([
    // 2^53 + 1 is no double: the next one below is.
    [">", int(edge - 1n), Number(edge), Infinity],
    [">", int(edge), Number(edge), Infinity],
    [">", int(edge + 1n), Number(edge + 2n), Infinity],
    ["<", int(edge - 1n), -Infinity, Number(edge - 2n)],
    ["<", int(edge), -Infinity, Number(edge - 1n)],
    ["<", int(edge + 1n), -Infinity, Number(edge)],
    ["<", int(edge + 2n), -Infinity, Number(edge)],
    ["=", int(edge + 1n), Number(edge), Number(edge)],
    [">=", int(INT64_MAX), 2 ** 63, Infinity],
    [">", int(INT64_MAX), 2 ** 63, Infinity],
    ["<", int(INT64_MAX), -Infinity, 2 ** 63],
    ["<=", int(INT64_MIN), -Infinity, -(2 ** 63)],
    ["<", int(INT64_MIN), -Infinity, -(2 ** 63)],
    [">", float(2 ** 53), 2 ** 53 + 2, Infinity],
    ["<", float(2 ** 63), -Infinity, 2 ** 63 - 1024],
  ] as const)("int64 %s %o", (op, literal, min, max) => {
    expect(rangeOf(op, literal, true)).toEqual({ min, max });
  });
});

test("doubles of both zeros are equal", () => {
  for (const zero of [0, -0]) {
    const { min, max } = rangeOf("=", float(zero), false)!;
    for (const other of [0, -0]) expect(min <= other && other <= max).toBe(true);
    expect(rangeOf(">", float(zero), false)!.min).toBe(Number.MIN_VALUE);
    expect(rangeOf("<", float(zero), false)!.max).toBe(-Number.MIN_VALUE);
  }
});

test.each(OPS)("nothing is %s NaN", (op) => {
  expect(rangeOf(op, float(Number.NaN), true)).toBeUndefined();
  expect(rangeOf(op, float(Number.NaN), false)).toBeUndefined();
});

const near = (values: readonly bigint[]) =>
  fc
    .tuple(fc.constantFrom(...values), fc.bigInt(-3n, 3n))
    .map(([value, by]) => BigInt.asIntN(64, value + by));
/** Ints that meet: small ones, and such as lie between doubles. */
const someInt = fc.oneof(
  near([0n, 2n ** 53n, -(2n ** 53n), 2n ** 62n, INT64_MAX, INT64_MIN]),
  fc.bigInt(INT64_MIN, INT64_MAX),
);
const someFloat = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, 0.5, -1.5, 5e-324, Infinity, -Infinity, Number.NaN),
  someInt.map(Number),
);
const someLiteral: fc.Arbitrary<NumericStatic> = fc.oneof(
  someInt.map(int),
  someInt.map((value): NumericStatic => ({ type: "duration", value })),
  someFloat.map(float),
);

test("what compares lies in the range", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      fc.constantFrom(...OPS),
      fc.oneof(someInt.map(int), someFloat.map(float)),
      someLiteral,
      (op, value, literal) => {
        const isIntegral = value.type === "int";
        const range = rangeOf(op, literal, isIntegral);
        const number = Number(value.value);
        const isInside = range !== undefined && range.min <= number && number <= range.max;
        if (compareStatics(op, value, literal)) expect(isInside).toBe(true);
        seen.add(`${op} ${isIntegral} ${isInside}`);
      },
    ),
    { numRuns: 20_000 },
  );
  expect(seen.size).toBe(4 * OPS.length);
});
