import fc from "fast-check";
import { expect, test } from "vitest";
import { U64 } from "../../src/util/u64.ts";

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const words = (value: bigint) => [Number(value & 0xffffffffn), Number(value >> 32n)] as const;

test("products and sums are those of numbers modulo 2^64", () => {
  fc.assert(
    fc.property(u64, u64, fc.integer({ min: 0, max: 2 ** 20 - 1 }), (a, b, factor) => {
      const result = new U64()
        .set(...words(a))
        .multiply(factor)
        .add(...words(b));
      expect([result.lo, result.hi]).toEqual(words(BigInt.asUintN(64, a * BigInt(factor) + b)));
    }),
  );
});

test("words may be signed", () => {
  const minusOne = new U64().set(-1, -1).add(-2, -1);
  expect([minusOne.lo, minusOne.hi]).toEqual([0xfffffffd, 0xffffffff]);
});
