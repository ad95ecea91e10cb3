import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batchOf } from "../../support/batch-builder.ts";
import { someSpans } from "../../support/some-spans.ts";
import { duckdbRows, expectedRows, hyparquetRows, write } from "./stored-rows.ts";

const options = { numRuns: 60 };
const someOptions = fc.record({
  zstdLevel: fc.constantFrom(1, 3),
  rowGroupRows: fc.constantFrom(3, 10, 100_000),
});

describe("writeSegment", () => {
  it("is read back by DuckDB as it was", async () => {
    await fc.assert(
      fc.asyncProperty(someSpans, someOptions, async (spans, writeOptions) => {
        const batch = batchOf(spans);
        expect(await duckdbRows(write(batch, writeOptions))).toEqual(expectedRows(batch));
      }),
      options,
    );
  }, 120_000);

  it("is read back by hyparquet as it was", async () => {
    await fc.assert(
      fc.asyncProperty(someSpans, someOptions, async (spans, writeOptions) => {
        const batch = batchOf(spans);
        expect(await hyparquetRows(write(batch, writeOptions))).toEqual(expectedRows(batch));
      }),
      options,
    );
  }, 120_000);
});
