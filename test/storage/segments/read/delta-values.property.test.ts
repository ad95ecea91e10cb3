import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteSink } from "../../../../src/storage/segments/parquet/byte-sink.ts";
import { encodeDelta, suitsDelta } from "../../../../src/storage/segments/parquet/delta.ts";
import { deltaValues } from "../../../../src/storage/segments/read/delta-values.ts";

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

/** Values near each other, as far as may be among them, around blocks' and parts' borders. */
const someValues = fc
  .record({
    base: int64,
    bits: fc.integer({ min: 0, max: 49 }),
    count: fc.oneof(fc.integer({ min: 1024, max: 5000 }), fc.constantFrom(2048, 2049, 2305, 4097)),
    steps: fc.array(fc.nat(2 ** 30), { minLength: 1, maxLength: 50 }),
  })
  .map(({ base, bits, count, steps }) =>
    Array.from({ length: count }, (_, i) => {
      const step = BigInt(steps[i % steps.length]!) * BigInt(steps[(i * 7) % steps.length]!);
      const near = i === 0 ? 0n : step % 2n ** BigInt(bits);
      const value = base + (i % 3 === 0 ? near : -near);
      return value > 2n ** 63n - 1n || value < -(2n ** 63n) ? base : value;
    }),
  );

function pairsOf(values: readonly bigint[]): Uint32Array {
  return new Uint32Array(BigInt64Array.from(values).buffer);
}

describe("DELTA_BINARY_PACKED", () => {
  it("gives back any values of a page", () => {
    fc.assert(
      fc.property(someValues, fc.nat(4096), fc.nat(4096), (values, a, b) => {
        const pairs = pairsOf(values);
        expect(suitsDelta(pairs, values.length)).toBe(true);
        const sink = new ByteSink(16);
        sink.byte(7);
        encodeDelta(sink, pairs, 0, values.length);
        const from = Math.min(a, values.length);
        const to = Math.min(from + b, values.length);
        expect(deltaValues(sink.view(), 1, from, to - from)).toEqual(values.slice(from, to));
      }),
    );
  });

  it("gives back values as far apart as may be", () => {
    const far = Array.from({ length: 1500 }, (_, i) =>
      i === 0 ? 0n : (-1n) ** BigInt(i) * 2n ** 50n,
    );
    const pairs = pairsOf(far);
    expect(suitsDelta(pairs, far.length)).toBe(true);
    const sink = new ByteSink(16);
    encodeDelta(sink, pairs, 0, far.length);
    expect(deltaValues(sink.view(), 0, 0, far.length)).toEqual(far);
  });

  it("is not used for few values, nor for those farther apart", () => {
    expect(suitsDelta(pairsOf(Array.from({ length: 1023 }, () => 5n)), 1023)).toBe(false);
    const far = Array.from({ length: 2000 }, () => 5n);
    far[1999] = 2n ** 50n + 6n;
    expect(suitsDelta(pairsOf(far), far.length)).toBe(false);
  });

  it("refuses bytes that end early or say what cannot be", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(2000), (bytes, count) => {
        try {
          expect(deltaValues(bytes, 0, 0, count)).toHaveLength(count);
        } catch (error) {
          expect(String(error)).toMatch(/segment|page|part|block|number|difference|value/);
        }
      }),
    );
  });
});
