import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type RowBlock,
  SegmentReader,
} from "../../../../src/storage/segments/read/segment-reader.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../../../support/batch-builder.ts";
import { seededRandom } from "../../../support/random.ts";
import { write } from "../stored-rows.ts";
import { idOf, ReaderStore, sliceOf } from "./reader-store.ts";

const ROWS = 50_001;

const random = seededRandom(5);
const hexOf = (digits: number): string => {
  let text = "";
  while (text.length < digits) text += Math.floor(random() * 2 ** 32).toString(16);
  return text.slice(0, digits);
};
const services = [aService("a"), aService("b", [{ key: "zone", value: "z" }])];

/** Columns of many pages: plain texts, long texts, presence bitmaps, bools, maps, lists. */
function manySpans(traceRows: number) {
  return Array.from({ length: ROWS }, (_, i) =>
    aSpan({
      traceId: traceIdOf(1 + Math.floor(i / traceRows)),
      spanId: spanIdOf(i + 1),
      parentSpanId: i % 3 === 0 ? "" : spanIdOf(i),
      name: hexOf(12),
      statusMessage: i % 5000 === 7 ? "" : hexOf(250),
      startUnixNano: 1_767_225_600_000_000_000n + BigInt(i),
      resource: services[i % 2]!,
      attributes: [
        { key: "route", value: `/r/${i % 7}` },
        { key: "n", value: BigInt(i) },
        ...(i % 2 === 0 ? [{ key: "half", value: i / 3 }] : []),
        ...(i % 3 === 0 ? [{ key: "flag", value: i % 6 === 0 }] : []),
        ...(i % 90 === 0 ? [{ key: "rare", value: hexOf(8) }] : []),
        { key: `own.${i}`, value: `v${i}` },
        { key: `other.${i % 999}`, value: true },
      ],
      events: Array.from({ length: i % 4 }, (_, e) => ({
        timeUnixNano: BigInt(i + e),
        name: hexOf(6),
        droppedAttributes: 0,
        attributes:
          e === 1
            ? []
            : [
                { key: "k", value: hexOf(5) },
                { key: "on", value: e === 0 },
              ],
      })),
    }),
  );
}

const BORDERS = [0, 1, 15_000, 19_999, 20_000, 30_001, 34_952, 39_990, 44_980];

let store: ReaderStore;
beforeAll(async () => {
  store = await ReaderStore.open();
});
afterAll(async () => {
  await store.close();
});

describe.each([
  // So many ids that their codes take two pages, of which the first ends within a trace.
  { rowGroupRows: 100_000, traceRows: 3 },
  { rowGroupRows: 7000, traceRows: 10_000 },
  // All ids differ: they have no dictionary.
  { rowGroupRows: 100_000, traceRows: 1 },
])(
  "SegmentReader of $rowGroupRows rows a group, $traceRows a trace",
  ({ rowGroupRows, traceRows }) => {
    let all: RowBlock;
    let file: Uint8Array;
    let bytesRead = 0;
    const readAt = async (offset: number, length: number) => {
      bytesRead += length;
      return file.subarray(offset, offset + length);
    };

    beforeAll(async () => {
      file = write(batchOf(manySpans(traceRows)), { rowGroupRows, zstdLevel: 1 }).file;
      all = await store.rows(await store.put(file));
    }, 120_000);

    it("reads rows next to the borders of pages and groups", async () => {
      const reader = await SegmentReader.open(readAt, file.length);
      expect(reader.rowCount).toBe(ROWS);
      for (const border of BORDERS) {
        for (const [from, to] of [
          [border, border + 13],
          [Math.max(0, border - 3), border + 3],
        ] as const) {
          expect(await reader.readRows(from, to)).toStrictEqual(sliceOf(all, from, to));
        }
      }
    });

    it("reads rows over many pages at once", async () => {
      const reader = await SegmentReader.open(readAt, file.length);
      expect(await reader.readRows(12_345, 43_210)).toStrictEqual(sliceOf(all, 12_345, 43_210));
    });

    it("finds each trace", async () => {
      const reader = await SegmentReader.open(readAt, file.length);
      const ids = all.columns[0]!;
      for (const row of BORDERS) {
        const id = ids[row] as string;
        const range = { fromRow: ids.indexOf(id), toRow: ids.lastIndexOf(id) + 1 };
        expect(await reader.findTrace(idOf(id))).toEqual(range);
      }
      expect(await reader.findTrace(idOf(traceIdOf(ROWS + 1)))).toBeUndefined();
    });

    it("reads no more of a file than it needs", async () => {
      const reader = await SegmentReader.open(readAt, file.length);
      bytesRead = 0;
      await reader.readRows(100, 110);
      expect(bytesRead).toBeLessThan(0.75 * file.length);
      bytesRead = 0;
      await reader.readRows(100, 100);
      expect(bytesRead).toBe(0);
      await reader.findTrace(idOf(traceIdOf(1)));
      expect(bytesRead).toBeLessThan(0.2 * file.length);
    });
  },
);
