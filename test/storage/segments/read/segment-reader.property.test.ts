import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SegmentReader } from "../../../../src/storage/segments/read/segment-reader.ts";
import { batchOf } from "../../../support/batch-builder.ts";
import { someSpans } from "../../../support/some-spans.ts";
import { write } from "../stored-rows.ts";
import { idOf, ReaderStore, readAtOf, sliceOf } from "./reader-store.ts";

let store: ReaderStore;
beforeAll(async () => {
  store = await ReaderStore.open();
});
afterAll(async () => {
  await store.close();
});

const someOptions = fc.record({
  zstdLevel: fc.constantFrom(1, 3),
  rowGroupRows: fc.constantFrom(1, 3, 10, 100_000),
});
const someRanges = fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 6 });

describe("SegmentReader", () => {
  it("reads any rows as DuckDB does", async () => {
    await fc.assert(
      fc.asyncProperty(someSpans, someOptions, someRanges, async (spans, options, ranges) => {
        const { file } = write(batchOf(spans), options);
        const all = await store.rows(await store.put(file));
        const reader = await SegmentReader.open(readAtOf(file), file.length);
        expect(await reader.readRows(0, reader.rowCount)).toStrictEqual(all);
        for (const [a, b] of ranges) {
          const from = a % (reader.rowCount + 1);
          const to = from + (b % (reader.rowCount + 1 - from));
          expect(await reader.readRows(from, to)).toStrictEqual(sliceOf(all, from, to));
        }
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it("finds the rows that DuckDB finds", async () => {
    await fc.assert(
      fc.asyncProperty(someSpans, someOptions, async (spans, options) => {
        const { file } = write(batchOf(spans), options);
        const reader = await SegmentReader.open(readAtOf(file), file.length);
        const traces = await store.traces(await store.put(file));
        for (const [id, range] of traces) {
          expect(await reader.findTrace(idOf(id))).toEqual(range);
        }
        for (const absent of ["0".repeat(32), "f".repeat(32), `${"0".repeat(31)}3`]) {
          expect(await reader.findTrace(idOf(absent))).toEqual(traces.get(absent));
        }
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});
