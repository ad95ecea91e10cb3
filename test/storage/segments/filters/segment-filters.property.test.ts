import fc from "fast-check";
import { expect, test } from "vitest";
import { columnsOfNeeds, type ValueNeed } from "../../../../src/schema/value-need.ts";
import { SegmentFilters } from "../../../../src/storage/segments/filters/segment-filters.ts";
import { mayMeet } from "../../../../src/storage/segments/filters/value-filters.ts";
import {
  type RowBlock,
  SegmentReader,
} from "../../../../src/storage/segments/read/segment-reader.ts";
import { hexToBytes } from "../../../../src/util/hex.ts";
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
