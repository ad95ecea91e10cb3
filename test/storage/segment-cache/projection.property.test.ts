import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import type { SegmentCache } from "../../../src/storage/segment-cache/segment-cache.ts";
import { SegmentReader } from "../../../src/storage/segments/read/segment-reader.ts";
import { batchOf } from "../../support/batch-builder.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { someSpans } from "../../support/some-spans.ts";
import { idOf, ReaderStore, readAtOf } from "../segments/read/reader-store.ts";
import { write } from "../segments/stored-rows.ts";
import { bytesOf, NEVER } from "./cache-support.ts";
import { MemoryBucket } from "./memory-bucket.ts";

const seed = testSeed();
console.log(`seed ${seed} (PINTAIL_TEST_SEED)`);

let dir: string;
let store: ReaderStore;
let cache: SegmentCache;
const bucket = new MemoryBucket();
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pintail-projection-"));
  store = await ReaderStore.open();
  cache = await bucket.cache(dir);
});
afterAll(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

const someWritten = fc
  .tuple(someSpans, fc.constantFrom(1, 3), fc.constantFrom(1, 3, 10, 100_000))
  .map(([spans, zstdLevel, rowGroupRows]) => write(batchOf(spans), { zstdLevel, rowGroupRows }));
/**
 * Larger than the end of an object that is fetched with its footer, so that rows in front of it are
 * fetched by row groups.
 */
const someLarge = fc
  .tuple(someSpans, fc.constantFrom(10, 40, 100_000), fc.integer({ min: 1 }))
  .map(([spans, rowGroupRows, noise]) => {
    const random = seededRandom(noise);
    const character = () => String.fromCharCode(33 + Math.floor(random() * 90));
    const noisy = Array.from({ length: 160 }, (_, i) => ({
      ...spans[i % spans.length]!,
      statusMessage: Array.from({ length: 1500 }, character).join(""),
    }));
    return write(batchOf([...spans, ...noisy]), { rowGroupRows });
  });
/** Which of the columns and row groups: those whose bit is set, again from the start at the end. */
const someBits = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
const someNeeds = fc.array(
  fc.record({ columns: fc.option(someBits), rowGroups: fc.option(someBits) }),
  { minLength: 1, maxLength: 4 },
);
type Bits = readonly boolean[] | null;

function chosen<T>(all: readonly T[], bits: Bits): readonly T[] {
  return bits === null ? all : all.filter((_, i) => bits[i % bits.length]);
}

/** What a file has: columns by name, rows by their number in the segment. */
type Contents = { readonly columns: readonly string[]; readonly rows: readonly number[] };

type Need = { readonly columns: Bits; readonly rowGroups: Bits };

/** Pins what is needed and says what a file made for it has; one made before may have more. */
async function pin(meta: SegmentMeta, names: readonly string[], { columns, rowGroups }: Need) {
  const wanted = chosen(names, columns);
  const some = chosen([...meta.rowGroups.keys()], rowGroups);
  const groups = some.length > 0 ? some : [meta.rowGroups.length - 1];
  const need = {
    meta,
    columns: columns === null ? ("all" as const) : new Set([...wanted, "no such column"]),
    rowGroups: rowGroups === null ? ("all" as const) : groups,
  };
  const files = await cache.pin([need], NEVER);
  const first = (g: number) => meta.rowGroups.slice(0, g).reduce((sum, r) => sum + r.rowCount, 0);
  const rows = groups.flatMap((g) =>
    Array.from({ length: meta.rowGroups[g]!.rowCount }, (_, i) => first(g) + i),
  );
  const contents: Contents = { columns: wanted.length > 0 ? wanted : names.slice(0, 1), rows };
  return { files, path: files.pathOf(meta.id), contents };
}

async function hyparquetRows(file: Uint8Array): Promise<Record<string, unknown>[]> {
  return parquetReadObjects({
    file: file.slice().buffer,
    compressors,
    parsers: { timestampFromNanoseconds: (nanos: bigint) => nanos },
  });
}

describe("what is pinned of a segment", () => {
  it("is read by DuckDB and hyparquet as the whole file's columns and rows", async () => {
    await fc.assert(
      fc.asyncProperty(someWritten, someNeeds, async ({ file, meta: written }, needs) => {
        const before = cache.bytes;
        const meta = bucket.put(file, written);
        const whole = await store.rows(await store.put(file));
        const wholeRows = await hyparquetRows(file);
        const made = new Map<string, Contents>();
        for (const need of needs) {
          const { files, path, contents } = await pin(meta, whole.names, need);
          using _ = files;
          const has = made.get(path) ?? contents;
          made.set(path, has);
          expect(has.columns).toEqual(expect.arrayContaining([...contents.columns]));
          expect(has.rows).toEqual(expect.arrayContaining([...contents.rows]));
          expect(await store.rows(path)).toStrictEqual({
            names: has.columns,
            columns: has.columns.map((name) => {
              const values = whole.columns[whole.names.indexOf(name)]!;
              return has.rows.map((row) => values[row]);
            }),
            rowCount: has.rows.length,
          });
          expect(await hyparquetRows(bytesOf(path))).toEqual(
            has.rows.map((row) =>
              Object.fromEntries(has.columns.map((name) => [name, wholeRows[row]![name]])),
            ),
          );
        }
        await cache.forget(meta.id);
        expect(cache.bytes).toBe(before);
      }),
      { numRuns: 60, seed },
    );
  }, 240_000);

  it("is read by our own reader as the whole file, whatever was pinned before", async () => {
    const someRanges = fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(someWritten, someLarge),
        someNeeds,
        someRanges,
        async ({ file, meta: written }, needs, ranges) => {
          const before = cache.bytes;
          const meta = bucket.put(file, written);
          const near = await SegmentReader.open(readAtOf(file), file.length);
          const { names } = await near.readRows(0, 0);
          for (const need of needs) {
            using _ = (await pin(meta, names, need)).files;
          }
          const remote = await cache.openRead(meta, NEVER);
          const far = await SegmentReader.open(async (offset, length) => {
            const target = new Uint8Array(length);
            return target.subarray(0, await remote.read(target, offset));
          }, remote.sizeBytes);
          for (const [a, b] of ranges) {
            const from = a % (near.rowCount + 1);
            const to = from + (b % (near.rowCount + 1 - from));
            expect(await far.readRows(from, to)).toStrictEqual(await near.readRows(from, to));
          }
          for (const id of ["1".padStart(32, "0"), "2".padStart(32, "0"), "f".repeat(32)]) {
            expect(await far.findTrace(idOf(id))).toEqual(await near.findTrace(idOf(id)));
          }
          await remote.close();
          await cache.forget(meta.id);
          expect(cache.bytes).toBe(before);
        },
      ),
      { numRuns: 40, seed },
    );
  }, 240_000);
});
