import fc from "fast-check";
import { expect, test } from "vitest";
import { columnsOfNeeds, type ValueNeed } from "../../../../src/schema/value-need.ts";
import { mayMeet } from "../../../../src/storage/segments/filters/known-values.ts";
import { SegmentFilters } from "../../../../src/storage/segments/filters/segment-filters.ts";
import {
  type RowBlock,
  SegmentReader,
} from "../../../../src/storage/segments/read/segment-reader.ts";
import { hexToBytes } from "../../../../src/util/hex.ts";
import { nextDown, nextUp } from "../../../../src/util/next-double.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../../../support/batch-builder.ts";
import type { PlainSpan } from "../../../support/read-batch.ts";
import { readAtOf } from "../read/reader-store.ts";
import { fileOf, writtenFile } from "./written-file.ts";

const NEVER = new AbortController().signal;
const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Texts of all lengths, so that every part of the hash is used. */
const someText = fc.string({ unit: "grapheme", maxLength: 80 });

/** Spans of which some have an attribute with one of the texts. */
const someSpans: fc.Arbitrary<PlainSpan[]> = fc
  .array(fc.record({ text: fc.option(someText), name: someText, service: fc.nat(20) }), {
    minLength: 1,
    maxLength: 300,
    size: "max",
  })
  .map((spans) =>
    spans.map(({ text, name, service }, i) =>
      aSpan({
        traceId: traceIdOf(BigInt(1 + (i >> 2)) * 0x9e3779b97f4a7c15n),
        spanId: spanIdOf(i + 1),
        name,
        attributes: text === null ? [] : [{ key: "user", value: text }],
        resource: aService(`service ${service}`),
      }),
    ),
  );

test("no value that a row group holds is ruled out, in whatever column", async () => {
  let asked = 0;
  await fc.assert(
    fc.asyncProperty(someSpans, fc.constantFrom(1000, 40, 7), async (spans, rowGroupRows) => {
      const { bytes, meta } = writtenFile(batchOf(spans), rowGroupRows);
      const filters = new SegmentFilters({ openFile: async () => fileOf(bytes) });
      const { names, columns } = await rowsOf(bytes);
      for (const column of ["trace_id", "name", "service_name", "span.user"]) {
        const known = await filters.scan().read(meta, [column], NEVER);
        for (const value of columns[names.indexOf(column)] ?? []) {
          if (value === null) continue;
          if (known.filters[0] !== undefined) asked++;
          const need: ValueNeed = { type: "value", column, bytes: storedBytes(column, value) };
          expect(mayMeet(need, known)).toBe(true);
        }
      }
    }),
    { numRuns: 60 },
  );
  expect(asked).toBeGreaterThan(10_000);
}, 120_000);

const someInt64 = fc.oneof(
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  fc.bigInt(-20n, 20n),
  fc.bigInt(2n ** 53n - 3n, 2n ** 53n + 3n),
);
const someDouble = fc.oneof(
  fc.double({ noNaN: true }),
  fc.constantFrom(0, -0, 0.1, Infinity, -Infinity),
  fc.nat(20),
);
/** Few have NaNs: then nothing is known. */
const someDoubles = fc
  .tuple(fc.array(someDouble, { minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 5 }))
  .map(([values, one]) => (one === 1 ? [...values, Number.NaN] : values));

/** Spans with numbers of a few values, in neighbouring row groups others; some have none. */
const someNumbers: fc.Arbitrary<PlainSpan[]> = fc
  .array(
    fc.record({
      ints: fc.array(someInt64, { minLength: 1, maxLength: 30 }),
      doubles: someDoubles,
      durations: fc.array(someInt64, { minLength: 1, maxLength: 30 }),
      missing: fc.constantFrom(0, 1, 2, 30),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) =>
    parts.flatMap(({ ints, doubles, durations, missing }, part) =>
      Array.from({ length: 30 }, (_, i) => {
        const start = 2n ** 63n - BigInt(100 * part + i);
        const duration = durations[i % durations.length]!;
        return aSpan({
          traceId: traceIdOf(100 * part + i + 1),
          spanId: spanIdOf(100 * part + i + 1),
          startUnixNano: start,
          endUnixNano: start + duration < 0n ? 0n : start + duration,
          attributes:
            i < missing
              ? []
              : [
                  { key: "int", value: ints[i % ints.length]! },
                  { key: "double", value: doubles[i % doubles.length]! },
                ],
        });
      }),
    ),
  );

const NUMBERS = [
  ...["duration_ns", "trace_duration_ns", "nested_left", "nested_right", "nested_parent"],
  ...["child_count", "span.int", "span.double"],
];

test("no number that a row group holds is ruled out, and what lies beyond all of them is", async () => {
  const seen = { held: 0, ruledOut: 0 };
  await fc.assert(
    fc.asyncProperty(someNumbers, fc.constantFrom(1000, 30, 7), async (spans, rowGroupRows) => {
      const { bytes, meta } = writtenFile(batchOf(spans), rowGroupRows);
      const filters = new SegmentFilters({ openFile: async () => fileOf(bytes) });
      const { names, columns } = await rowsOf(bytes);
      for (const column of NUMBERS) {
        const stored = columns[names.indexOf(column)] ?? [];
        const numbers = stored.flatMap((value) => (value === null ? [] : [Number(value)]));
        const known = await filters.scan().read(meta, [column], NEVER);
        const met = (min: number, max: number) =>
          mayMeet({ type: "range", column, min, max }, known);
        for (const number of numbers) {
          if (Number.isNaN(number)) continue;
          seen.held++;
          expect(met(number, number)).toBe(true);
          expect(met(number, Infinity)).toBe(true);
          expect(met(-Infinity, number)).toBe(true);
        }
        if (numbers.length === 0 || numbers.some(Number.isNaN)) continue;
        const [least, greatest] = [Math.min(...numbers), Math.max(...numbers)];
        if (greatest < Infinity) expect(met(nextUp(greatest), Infinity)).toBe(false);
        if (least > -Infinity) expect(met(-Infinity, nextDown(least))).toBe(false);
        seen.ruledOut++;
      }
    }),
    { numRuns: 200 },
  );
  expect(seen.held).toBeGreaterThan(10_000);
  expect(seen.ruledOut).toBeGreaterThan(100);
}, 120_000);

test("a row group without a value of a column, or with a NaN, is told from others", async () => {
  const spans = Array.from({ length: 90 }, (_, i) =>
    aSpan({
      traceId: traceIdOf(1000 - i),
      spanId: spanIdOf(i + 1),
      startUnixNano: 1_767_225_600_000_000_000n - BigInt(i),
      attributes: [
        ...(i < 30 ? [{ key: "low", value: -1.5 }] : []),
        { key: "high", value: i < 60 ? 5 : i === 60 ? Number.NaN : 7 },
      ],
    }),
  );
  const { bytes, meta } = writtenFile(batchOf(spans), 30);
  expect(meta.rowGroups).toHaveLength(3);
  const filters = new SegmentFilters({ openFile: async () => fileOf(bytes) });
  const range = (key: string, value: number): ValueNeed => ({
    type: "range",
    column: `span.${key}`,
    min: value,
    max: value,
  });
  const known = await filters.scan().read(meta, ["span.low", "span.high"], NEVER);
  const met = (...of: ValueNeed[]) => mayMeet({ type: "all", of }, known);
  expect(met(range("low", -1.5), range("high", 5))).toBe(true);
  // Such a value is in one row group, the NaN in another.
  expect(met(range("high", 9))).toBe(true);
  expect(met(range("low", -1.5), range("high", 9))).toBe(false);
  expect(met(range("low", 9))).toBe(false);
});

test("needs hold together in one row group, or not at all", async () => {
  // Nine values in each of two row groups, none of them in both.
  const spans = Array.from({ length: 200 }, (_, i) =>
    aSpan({
      traceId: traceIdOf(1000 - i),
      spanId: spanIdOf(i + 1),
      startUnixNano: 1_767_225_600_000_000_000n - BigInt(i),
      endUnixNano: 1_767_225_600_000_000_000n,
      attributes: [
        { key: "a", value: `a${i % 10} of ${i < 100 ? "new" : "old"}` },
        { key: "b", value: `b${i % 10} of ${i < 100 ? "new" : "old"}` },
      ],
    }),
  );
  const { bytes, meta } = writtenFile(batchOf(spans), 100);
  expect(meta.rowGroups).toHaveLength(2);
  const filters = new SegmentFilters({ openFile: async () => fileOf(bytes) });
  const need = (key: string, text: string): ValueNeed => ({
    type: "value",
    column: `span.${key}`,
    bytes: bytesOf(text),
  });
  const met = async (...needs: ValueNeed[]) => {
    const all: ValueNeed = { type: "all", of: needs };
    const known = await filters.scan().read(meta, columnsOfNeeds([all]), NEVER);
    return mayMeet(all, known);
  };
  expect(await met(need("a", "a1 of new"), need("b", "b2 of new"))).toBe(true);
  expect(await met(need("a", "a1 of old"), need("b", "b2 of old"))).toBe(true);
  expect(await met(need("a", "a1 of old"), need("b", "b2 of new"))).toBe(false);
  const either: ValueNeed = { type: "any", of: [need("b", "b2 of new"), need("b", "b2 of old")] };
  expect(await met(need("a", "a1 of old"), either)).toBe(true);
  expect(await met({ type: "any", of: [] })).toBe(false);
});

test("most values that are nowhere are ruled out", async () => {
  const spans = Array.from({ length: 5000 }, (_, i) =>
    aSpan({
      traceId: traceIdOf(i + 1),
      spanId: spanIdOf(i + 1),
      attributes: [{ key: "user", value: `user ${i % 2000}` }],
    }),
  );
  const { bytes, meta } = writtenFile(batchOf(spans), 2000);
  const filters = new SegmentFilters({ openFile: async () => fileOf(bytes) });
  const known = await filters.scan().read(meta, ["span.user", "trace_id"], NEVER);
  const passing = (column: string, bytesOfValue: (i: number) => Uint8Array) =>
    Array.from({ length: 2000 }, (_, i) =>
      mayMeet({ type: "value", column, bytes: bytesOfValue(i) }, known),
    ).filter((passes) => passes).length;
  // About one in 50 in each of three row groups.
  expect(passing("span.user", (i) => bytesOf(`nobody ${i}`))).toBeLessThan(2000 / 8);
  expect(passing("trace_id", (i) => hexToBytes(traceIdOf(1_000_000 + i)))).toBeLessThan(2000 / 8);
});

async function rowsOf(bytes: Uint8Array): Promise<RowBlock> {
  const reader = await SegmentReader.open(readAtOf(bytes), bytes.length);
  return reader.readRows(0, reader.rowCount);
}

function storedBytes(column: string, value: unknown): Uint8Array {
  const text = String(value);
  return column === "trace_id" ? hexToBytes(text.replaceAll("-", "")) : bytesOf(text);
}
