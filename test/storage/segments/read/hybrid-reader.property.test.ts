import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteSink } from "../../../../src/storage/segments/parquet/byte-sink.ts";
import { encodeHybrid } from "../../../../src/storage/segments/parquet/hybrid.ts";
import { HybridReader } from "../../../../src/storage/segments/read/hybrid-reader.ts";

/** Values of up to `width` bits, some in long runs. */
const someValues = fc.integer({ min: 1, max: 24 }).chain((width) =>
  fc
    .array(
      fc.tuple(
        fc.oneof(fc.constantFrom(0, 1), fc.nat(2 ** width - 1)),
        fc.oneof(fc.constant(1), fc.nat(100)),
      ),
      { maxLength: 60 },
    )
    .map((runs) => ({
      width,
      values: runs.flatMap(([value, times]) => Array.from({ length: times }, () => value)),
    })),
);

function readerOf(values: readonly number[], width: number): HybridReader {
  const sink = new ByteSink(16);
  encodeHybrid(sink, Uint32Array.from(values), 0, values.length, width);
  return new HybridReader(sink.view(), 0, sink.length, width, values.length);
}

const count = (values: readonly number[], value: number) =>
  values.filter((v) => v === value).length;

describe("HybridReader", () => {
  it("passes over, counts and takes what the encoder wrote", () => {
    fc.assert(
      fc.property(someValues, fc.array(fc.nat(90)), fc.nat(3), ({ width, values }, steps, one) => {
        const reader = readerOf(values, width);
        let at = 0;
        for (const [i, step] of steps.entries()) {
          const to = Math.min(at + step, values.length);
          const wanted = values.slice(at, to);
          if (i % 3 === 0) {
            const value = values[at] ?? one;
            expect(reader.skipCounting(to - at, value)).toBe(count(wanted, value));
          } else if (i % 3 === 1) {
            const taken: number[] = [];
            reader.take(to - at, taken);
            expect(taken).toEqual(wanted);
          } else reader.skip(to - at);
          at = to;
          expect(reader.remaining).toBe(values.length - at);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("finds rows by the zeros that begin them", () => {
    fc.assert(
      fc.property(someValues, fc.nat(50), fc.nat(30), ({ width, values }, skip, take) => {
        const levels = [0, ...values];
        const starts = levels.flatMap((level, i) => (level === 0 ? [i] : []));
        const first = skip % starts.length;
        const last = Math.min(first + take, starts.length);
        const reader = readerOf(levels, width);
        expect(reader.skipToZero(first)).toBe(starts[first]);
        const taken: number[] = [];
        reader.takeZeros(last - first, taken);
        expect(taken).toEqual(levels.slice(starts[first], starts[last] ?? levels.length));
      }),
      { numRuns: 500 },
    );
  });

  it("finds where a value is", () => {
    fc.assert(
      fc.property(someValues, fc.nat(), ({ width, values }, which) => {
        const value = values[which % Math.max(1, values.length)] ?? 1;
        const first = values.indexOf(value);
        const last = values.lastIndexOf(value);
        const range = readerOf(values, width).rangeOf(value);
        expect(range).toEqual(first < 0 ? undefined : { first, last });
      }),
      { numRuns: 300 },
    );
  });

  it("refuses widths that are not ours, runs without values and bytes that end early", () => {
    expect(() => new HybridReader(new Uint8Array(9), 0, 9, 0, 8)).toThrow("0 bits");
    expect(() => new HybridReader(new Uint8Array(9), 0, 9, 25, 8)).toThrow("25 bits");
    const skip = (...bytes: number[]) =>
      new HybridReader(Uint8Array.from(bytes), 0, bytes.length, 1, 8).skip(8);
    expect(() => skip(0)).toThrow("without values");
    expect(() => skip(3)).toThrow("ends behind its page");
    expect(() => skip(8)).toThrow("ends behind its page");
    expect(() => skip(8, 1)).toThrow("ends early");
    expect(() => skip(16, 2)).toThrow("wider");
    expect(() => skip(0x80, 0x80, 0x80, 0x80, 0x80, 1)).toThrow("five bytes");
  });
});
