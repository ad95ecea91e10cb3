import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isUnreadable } from "../../../../src/storage/segments/read/read-error.ts";
import { SegmentReader } from "../../../../src/storage/segments/read/segment-reader.ts";
import { batchOf } from "../../../support/batch-builder.ts";
import { someSpans } from "../../../support/some-spans.ts";
import { write } from "../stored-rows.ts";
import { idOf, readAtOf } from "./reader-store.ts";

/** Reads all there is; true when that went well, false when it was refused in the proper way. */
async function readAll(file: Uint8Array): Promise<boolean> {
  try {
    const reader = await SegmentReader.open(readAtOf(file), file.length);
    const rowCount = Math.min(reader.rowCount, 2000);
    const block = await reader.readRows(0, rowCount);
    for (const values of block.columns) expect(values).toHaveLength(rowCount);
    await reader.findTrace(idOf("1".padStart(32, "0")));
    return true;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return false;
  }
}

const someWritten = fc
  .tuple(someSpans, fc.constantFrom(3, 100_000), fc.constantFrom(1, 3))
  .map(([spans, rowGroupRows, zstdLevel]) => write(batchOf(spans), { rowGroupRows, zstdLevel }));
const somePlaces = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
  minLength: 20,
  maxLength: 20,
});

describe("a damaged segment", () => {
  it("with changed bytes is read or refused", async () => {
    await fc.assert(
      fc.asyncProperty(someWritten, somePlaces, async ({ file }, places) => {
        expect(await readAll(file)).toBe(true);
        for (const [place, mask] of places) {
          const damaged = file.slice();
          damaged[place % file.length]! ^= mask;
          await readAll(damaged);
        }
        // All at once, and crowded into the footer, where every byte counts.
        const wild = file.slice();
        for (const [place, mask] of places) {
          const back = Math.min(file.length, 4000);
          wild[file.length - 1 - (place % back)]! ^= mask;
        }
        await readAll(wild);
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it("with changed pages is read or refused", async () => {
    await fc.assert(
      fc.asyncProperty(someWritten, somePlaces, async ({ file }, places) => {
        for (const [place, mask] of places) {
          const damaged = file.slice();
          damaged[4 + (place % Math.min(file.length - 4, 3000))]! ^= mask;
          await readAll(damaged);
        }
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it("cut short is refused", async () => {
    await fc.assert(
      fc.asyncProperty(someWritten, fc.nat(), async ({ file }, place) => {
        const length = place % file.length;
        expect(await readAll(file.subarray(0, length))).toBe(false);
        // The end alone may be whole.
        expect(await readAll(file.subarray(file.length - length))).toBe(false);
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});
