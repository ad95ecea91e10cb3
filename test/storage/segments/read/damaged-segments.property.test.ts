import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPintailError } from "../../../../src/errors.ts";
import { checkSegment } from "../../../../src/storage/segments/read/check-segment.ts";
import {
  type RowBlock,
  SegmentReader,
} from "../../../../src/storage/segments/read/segment-reader.ts";
import { aSpan, batchOf, traceIdOf } from "../../../support/batch-builder.ts";
import { someSpans } from "../../../support/some-spans.ts";
import { write } from "../stored-rows.ts";
import { idOf, readAtOf } from "./reader-store.ts";

type Answer = { readonly block: RowBlock; readonly found: unknown };

/** Reads all there is; undefined when it was refused in the proper way. */
async function readAll(file: Uint8Array, id: string): Promise<Answer | undefined> {
  try {
    const reader = await SegmentReader.open(readAtOf(file), file.length);
    const rowCount = Math.min(reader.rowCount, 2000);
    const block = await reader.readRows(0, rowCount);
    return { block, found: await reader.findTrace(idOf(id)) };
  } catch (error) {
    if (!isPintailError(error, "corrupt")) throw error;
    return undefined;
  }
}

/** Both ways to read a changed file give what it held, or refuse. */
async function expectSameOrRefused(file: Uint8Array, id: string, whole: Answer): Promise<void> {
  const answer = await readAll(file, id);
  if (answer !== undefined) expect(answer).toEqual(whole);
}

async function isChecked(file: Uint8Array): Promise<boolean> {
  try {
    await checkSegment(readAtOf(file), file.length);
    return true;
  } catch (error) {
    if (!isPintailError(error, "corrupt")) throw error;
    return false;
  }
}

const someWritten = fc
  .tuple(someSpans, fc.constantFrom(3, 100_000), fc.constantFrom(1, 3))
  .map(([spans, rowGroupRows, zstdLevel]) => ({
    spans,
    ...write(batchOf(spans), { rowGroupRows, zstdLevel }),
  }));
const somePlaces = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
  minLength: 20,
  maxLength: 20,
});

describe("a damaged segment", () => {
  it("with changed bytes is read as it was or refused; a check finds each of them", async () => {
    await fc.assert(
      fc.asyncProperty(someWritten, somePlaces, async ({ spans, file }, places) => {
        const id = spans[0]!.traceId;
        const whole = (await readAll(file, id))!;
        expect(whole.found).toBeDefined();
        expect(await isChecked(file)).toBe(true);
        for (const [place, mask] of places) {
          const damaged = file.slice();
          damaged[place % file.length]! ^= mask;
          await expectSameOrRefused(damaged, id, whole);
          expect(await isChecked(damaged)).toBe(false);
        }
        // All at once, and crowded into the footer, where every byte counts.
        const wild = file.slice();
        for (const [place, mask] of places) {
          const back = Math.min(file.length, 4000);
          wild[file.length - 1 - (place % back)]! ^= mask;
        }
        // Nothing may be left that tells of checksums.
        await readAll(wild, id).catch((error) => expect(error.kind).toBe("unsupported"));
      }),
      { numRuns: 40, endOnFailure: true },
    );
  }, 120_000);

  it("with changed pages is read as it was or refused", async () => {
    await fc.assert(
      fc.asyncProperty(someWritten, somePlaces, async ({ spans, file }, places) => {
        const id = spans[0]!.traceId;
        const whole = (await readAll(file, id))!;
        for (const [place, mask] of places) {
          const damaged = file.slice();
          damaged[4 + (place % Math.min(file.length - 4, 3000))]! ^= mask;
          await expectSameOrRefused(damaged, id, whole);
        }
      }),
      { numRuns: 40, endOnFailure: true },
    );
  }, 120_000);

  it("cut short is refused", async () => {
    await fc.assert(
      fc.asyncProperty(someWritten, fc.nat(), async ({ file }, place) => {
        const length = place % file.length;
        expect(await readAll(file.subarray(0, length), "")).toBe(undefined);
        // The end alone may be whole.
        expect(await readAll(file.subarray(file.length - length), "")).toBe(undefined);
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it("of an older version, without checksums, is read", async () => {
    const { file } = write(batchOf([aSpan({ traceId: traceIdOf(1) })]));
    const whole = await readAll(file, traceIdOf(1));
    const text = Buffer.from(file).toString("latin1");
    const older = text
      .replace("pintail.checksums", "another.checksums")
      .replace("pintail.footer_checksum", "another.footer_checksum");
    expect(older).not.toBe(text);
    const bytes = new Uint8Array(Buffer.from(older, "latin1"));
    expect(await readAll(bytes, traceIdOf(1))).toEqual(whole);
    expect(await isChecked(bytes)).toBe(true);
    const mixed = text.replace("pintail.checksums", "another.checksums");
    expect(await readAll(new Uint8Array(Buffer.from(mixed, "latin1")), "")).toBe(undefined);
  });
});
