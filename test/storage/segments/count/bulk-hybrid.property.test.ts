import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPintailError } from "../../../../src/errors.ts";
import {
  codesInto,
  countCodes,
  type HybridSection,
  presentInto,
} from "../../../../src/storage/segments/count/bulk-hybrid.ts";
import { ByteSink } from "../../../../src/storage/segments/parquet/byte-sink.ts";
import { encodeHybrid } from "../../../../src/storage/segments/parquet/hybrid.ts";

/** Values of up to `width` bits, some in long runs. */
const someValues = (maxWidth: number) =>
  fc.integer({ min: 1, max: maxWidth }).chain((width) =>
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

/** Ends where the bytes do, or before. */
function sectionOf(values: readonly number[], width: number, behind: number): HybridSection {
  const sink = new ByteSink(16);
  encodeHybrid(sink, Uint32Array.from(values), 0, values.length, width);
  const bytes = new Uint8Array(3 + sink.length + behind).fill(0xff);
  bytes.set(sink.view(), 3);
  return { bytes, from: 3, to: 3 + sink.length };
}

describe("whole sections", () => {
  it("give the codes that the encoder was given", () => {
    fc.assert(
      fc.property(someValues(24), fc.nat(9), ({ width, values }, behind) => {
        const out = new Int32Array(values.length);
        codesInto(sectionOf(values, width, behind), width, values.length, out);
        expect([...out]).toEqual(values);
      }),
      { numRuns: 500 },
    );
  });

  it("are counted by code and slot", () => {
    fc.assert(
      fc.property(someValues(8), fc.nat(9), fc.nat(5), ({ width, values }, behind, seed) => {
        const slots = Int32Array.from(values, (_, i) => (i * seed) % 3);
        const cells = new Uint32Array(3 * 2 ** width);
        countCodes(sectionOf(values, width, behind), width, slots, 3, cells);
        const expected = new Uint32Array(cells.length);
        for (const [i, value] of values.entries()) expected[3 * value + slots[i]!]!++;
        expect(cells).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("tell the rows that are present", () => {
    fc.assert(
      fc.property(someValues(1), fc.nat(9), ({ values }, behind) => {
        const rows = Int32Array.from(values, (_, i) => 7 * i);
        const out = new Int32Array(values.length);
        const count = presentInto(sectionOf(values, 1, behind), rows, out);
        expect([...out.subarray(0, count)]).toEqual([...rows].filter((_, i) => values[i] === 1));
      }),
      { numRuns: 500 },
    );
  });

  it("of any bytes are read or refused", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: 0, max: 26 }),
        (bytes, width) => {
          const section = { bytes, from: 0, to: bytes.length };
          const slots = new Int32Array(500);
          const works = [
            () => codesInto(section, width, 500, new Int32Array(500)),
            () => presentInto(section, slots, new Int32Array(500)),
            () => countCodes(section, width, slots, 1, new Uint32Array(2 ** width)),
          ];
          for (const work of works) {
            try {
              work();
            } catch (error) {
              expect(isPintailError(error)).toBe(true);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
