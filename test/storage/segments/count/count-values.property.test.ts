import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SqlValue } from "../../../../src/drivers/duckdb/database.ts";
import { isPintailError } from "../../../../src/errors.ts";
import {
  type CountRequest,
  countValues,
  type SegmentCounts,
} from "../../../../src/storage/segments/count/count-values.ts";
import type { RowBlock } from "../../../../src/storage/segments/read/segment-reader.ts";
import { batchOf } from "../../../support/batch-builder.ts";
import { someSpans } from "../../../support/some-spans.ts";
import { ReaderStore, readAtOf } from "../read/reader-store.ts";
import { write } from "../stored-rows.ts";

let store: ReaderStore;
beforeAll(async () => {
  store = await ReaderStore.open();
});
afterAll(async () => {
  await store.close();
});

const count = (file: Uint8Array, request: CountRequest) =>
  countValues(readAtOf(file), file.length, request, () => {});

/** A value as a text that tells types apart. */
const textOf = (value: SqlValue) => `${typeof value} ${String(value)}`;

const isFlat = (values: readonly SqlValue[]) =>
  values.every((value) => value === null || typeof value !== "object");

const isMapColumn = (name: string) => /^(span|resource|scope)_attr_/.test(name);
const entriesOf = (map: SqlValue) => map as readonly (readonly [string, SqlValue])[];
const columnText = (name: string, key: string | undefined) =>
  key === undefined ? name : `${name}[${JSON.stringify(key)}]`;

/** `column value bucket baseline selection`, one by one. */
function naive(rows: RowBlock, names: readonly string[], request: CountRequest): string[] {
  const { startUnixNano, stepNanos, count: buckets } = request.grid;
  const starts = rows.columns[rows.names.indexOf("start_time")]!;
  const found = new Map<string, [number, number]>();
  for (const name of names) {
    const wanted = request.columns.find((column) => column.name === name)?.values;
    rows.columns[rows.names.indexOf(name)]!.forEach((cell, row) => {
      const offset = (starts[row] as bigint) - startUnixNano - 1n;
      const bucket = offset < 0n ? -1 : Number(offset / stepNanos);
      const bit = 0x80 >> (row & 7);
      if (cell === null || bucket < 0 || bucket >= buckets) return;
      if (request.included !== undefined && !(request.included[row >> 3]! & bit)) return;
      const chosen = ((request.selected?.[row >> 3] ?? 0) & bit) !== 0;
      const isMap = isMapColumn(name);
      for (const [mapKey, value] of isMap ? entriesOf(cell) : [[undefined, cell] as const]) {
        const known = isMap || wanted === undefined || wanted.includes(value);
        const shown = known ? textOf(value) : "others";
        const key = `${columnText(name, mapKey)} ${shown} ${bucket}`;
        const pair = found.get(key) ?? [0, 0];
        pair[chosen ? 1 : 0]++;
        found.set(key, pair);
      }
    });
  }
  return Array.from(found, ([key, [baseline, chosen]]) => `${key}: ${baseline} ${chosen}`).sort();
}

function shown({ columns, firstBucket, bucketCount }: SegmentCounts): string[] {
  return columns
    .flatMap(({ name, key: mapKey, values, cells }) =>
      values.flatMap((value, i) =>
        Array.from({ length: bucketCount }, (_, bucket) => {
          const at = 2 * (i * bucketCount + bucket);
          const text = value === null ? "others" : textOf(value);
          const [baseline, chosen] = [cells[at]!, cells[at + 1]!];
          const key = `${columnText(name, mapKey)} ${text} ${firstBucket + bucket}`;
          return baseline + chosen === 0 ? "" : `${key}: ${baseline} ${chosen}`;
        }),
      ),
    )
    .filter((line) => line !== "")
    .sort();
}

const someGrids = fc.record({
  skip: fc.bigInt({ min: -5n, max: 50n }),
  stepNanos: fc.constantFrom(1n, 7n, 1000n, 1_000_000_000n, 10n ** 18n),
  count: fc.integer({ min: 1, max: 20 }),
});
const someBitmap = fc.option(fc.uint8Array({ minLength: 40, maxLength: 40 }), { nil: undefined });
const someOptions = fc.record({
  zstdLevel: fc.constantFrom(1, 3),
  rowGroupRows: fc.constantFrom(3, 10, 100_000),
});

describe("countValues", () => {
  it("counts all flat columns and maps as one by one", async () => {
    let mapCount = 0;
    await fc.assert(
      fc.asyncProperty(
        someSpans,
        someOptions,
        someGrids,
        someBitmap,
        someBitmap,
        fc.boolean(),
        async (spans, options, { skip, stepNanos, count: buckets }, included, selected, some) => {
          const { file } = write(batchOf(spans), options);
          const rows = await store.rows(await store.put(file));
          const starts = rows.columns[rows.names.indexOf("start_time")] as bigint[];
          const [first = 0n] = [...starts].sort((a, b) => Number(a - b));
          const grid = { startUnixNano: first + skip, stepNanos, count: buckets };
          const columns = rows.names.flatMap((name, c) => {
            const values = rows.columns[c]!;
            if (!isFlat(values) && !isMapColumn(name)) return [];
            const wanted = some ? values.filter((v, i) => v !== null && i % 3 === 0) : undefined;
            return [{ name, values: wanted && [...new Set(wanted)] }];
          });
          const request = { columns, grid, included, selected };
          const counts = await count(file, request);
          const counted = columns
            .map(({ name }) => name)
            .filter((name) => !counts.refused.includes(name));
          expect(shown(counts)).toEqual(naive(rows, counted, request));
          mapCount += counted.filter(isMapColumn).length;
        },
      ),
      { numRuns: 60 },
    );
    expect(mapCount).toBeGreaterThan(20);
  }, 120_000);

  it("refuses damaged files, or counts them", async () => {
    const places = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 15,
      maxLength: 15,
    });
    await fc.assert(
      fc.asyncProperty(someSpans, someOptions, places, async (spans, options, changes) => {
        const { file } = write(batchOf(spans), options);
        const rows = await store.rows(await store.put(file));
        const request = {
          columns: rows.names.map((name) => ({ name, values: undefined })),
          grid: { startUnixNano: 0n, stepNanos: 10n ** 18n, count: 20 },
          included: undefined,
          selected: undefined,
        };
        for (const [place, mask] of changes) {
          const damaged = file.slice();
          damaged[place % file.length]! ^= mask;
          try {
            await count(damaged, request);
          } catch (error) {
            const isKnown =
              isPintailError(error, "corrupt") || isPintailError(error, "unsupported");
            if (!isKnown) throw error;
          }
        }
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});
