import fc from "fast-check";
import { expect, test } from "vitest";
import {
  carryIndex,
  type SegmentTimes,
  segmentsIn,
} from "../../../src/storage/catalog/time-index.ts";

const HOUR = 1000;

function aList(starts: readonly number[], lengths: readonly number[]): SegmentTimes[] {
  const all = starts.map((start, i) => ({
    minTraceStart: BigInt(start),
    maxTraceStart: BigInt(start + lengths[i % lengths.length]!),
    // A span may end before it starts.
    maxEnd: BigInt(start + lengths[(i + 1) % lengths.length]! - 5),
  }));
  return all.sort((a, b) => Number(b.maxTraceStart - a.maxTraceStart));
}

function naive(list: readonly SegmentTimes[], from: bigint, to: bigint): SegmentTimes[] {
  return list.filter(
    ({ minTraceStart, maxTraceStart, maxEnd }) =>
      minTraceStart <= to && (maxTraceStart >= from || maxEnd >= from),
  );
}

const starts = fc.array(fc.integer({ min: 0, max: 40 * HOUR }), { minLength: 0, maxLength: 2500 });
const lengths = fc.array(fc.integer({ min: 0, max: 3 * HOUR }), { minLength: 1, maxLength: 7 });
const range = fc.tuple(
  fc.integer({ min: -10, max: 45 * HOUR }),
  fc.integer({ min: -10, max: 5 * HOUR }),
);

test("pruning by the index finds what a look at every segment finds, in the same order", () => {
  fc.assert(
    fc.property(starts, lengths, fc.array(range, { maxLength: 8 }), (at, of, ranges) => {
      const list = aList(at, of);
      for (const [from, length] of ranges) {
        const [startUnixNano, endUnixNano] = [BigInt(from), BigInt(from + length)];
        const found = segmentsIn(list, { startUnixNano, endUnixNano });
        expect(found).toEqual(naive(list, startUnixNano, endUnixNano));
      }
    }),
    { numRuns: 60 },
  );
});

test("an index carried over to the next version of a list finds the same", () => {
  const versions = fc.array(
    fc.tuple(
      fc.array(fc.nat(3000), { maxLength: 4 }),
      fc.array(fc.nat(40 * HOUR), { maxLength: 4 }),
    ),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(starts, lengths, versions, range, (at, of, changes, [from, length]) => {
      const [startUnixNano, endUnixNano] = [BigInt(from), BigInt(from + length)];
      let list = aList(at, of);
      for (const [leaving, coming] of changes) {
        segmentsIn(list, { startUnixNano, endUnixNano });
        const left = list.filter((_, i) => !leaving.includes(i));
        const next = [...left, ...aList(coming, of)].sort((a, b) =>
          Number(b.maxTraceStart - a.maxTraceStart),
        );
        carryIndex(next, list);
        list = next;
        const found = segmentsIn(list, { startUnixNano, endUnixNano });
        expect(found).toEqual(naive(list, startUnixNano, endUnixNano));
      }
    }),
    { numRuns: 60 },
  );
});
