import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ReadFile } from "../../src/drivers/files/files.ts";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { SegmentReaders } from "../../src/query/segment-readers.ts";
import { traceById } from "../../src/query/trace-by-id.ts";
import { traceIdFromHex } from "../../src/query/trace-id.ts";
import { batchOf, aSpan as plainSpan, spanIdOf, traceIdOf } from "../support/batch-builder.ts";
import { someSpans } from "../support/some-spans.ts";
import { SegmentStore } from "./segment-store.ts";

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(async () => {
  await store.close();
});

const find = (id: string) =>
  traceById(store.engine(), { tenants: ["single-tenant"], traceId: traceIdFromHex(id) });

/** Files whose reads are counted and changed. */
function readersOf(change: (bytes: Uint8Array, at: number) => void, limits?: [number, number]) {
  const log: string[] = [];
  const openFile = async (meta: { id: string }): Promise<ReadFile> => {
    const file = await nodeFiles().openRead(`${store.dir}/single-tenant/${meta.id}.parquet`);
    log.push(`open ${meta.id}`);
    return {
      sizeBytes: file.sizeBytes,
      read: async (target, position) => {
        const count = await file.read(target, position);
        log.push(`read ${position + count === file.sizeBytes ? "footer" : "data"}`);
        change(target, position);
        return count;
      },
      close: async () => {
        log.push("close");
        await file.close();
      },
    };
  };
  const [maxLayouts, maxLayoutBytes] = limits ?? [10, 1e9];
  const readers = new SegmentReaders({ openFile }, { maxLayouts, maxLayoutBytes });
  return { readers, log };
}

describe("traceById with readers", () => {
  it("answers as it does by the database, and does not ask that", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(someSpans, { minLength: 1, maxLength: 3 }), async (batches) => {
        store.clear();
        for (const spans of batches) {
          await store.addBatch(batchOf(spans), { rowGroupRows: 7 });
        }
        for (const id of new Set(batches.flat().map(({ traceId }) => traceId))) {
          store.useReaders = false;
          const wanted = await find(id);
          store.useReaders = true;
          store.statements.length = 0;
          expect(await find(id)).toStrictEqual(wanted);
          expect(store.statements).toEqual([]);
        }
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it("leaves a large trace to the database", async () => {
    const spans = Array.from({ length: 2001 }, (_, i) => plainSpan({ spanId: spanIdOf(i + 1) }));
    await store.addBatch(batchOf(spans));
    const { trace } = await find(traceIdOf(1));
    expect(trace.resourceSpans[0]?.scopeSpans[0]?.spans).toHaveLength(2001);
    expect(store.statements).toHaveLength(1);
  });

  it("refuses to answer from a damaged segment, and names it", async () => {
    await store.addBatch(batchOf([plainSpan({ name: "n".repeat(40) })]));
    // Where the first page header is: what the reader sees, not what rests on the disk.
    const { readers } = readersOf((bytes, at) => {
      if (at < 16) bytes.fill(0xff, 4 - at, 16);
    });
    store.readers = readers;
    await expect(find(traceIdOf(1))).rejects.toMatchObject({
      kind: "corrupt",
      message: `segment ${store.segments[0]!.id} (tenant single-tenant) is damaged`,
    });
    expect(store.statements).toEqual([]);
  });
});

describe("SegmentReaders", () => {
  const firstRow = (readers: SegmentReaders, segment: number) =>
    readers.attempt(store.segments[segment]!, (r) => r.readRows(0, 1));

  it("reads a footer once and closes each file", async () => {
    await store.addBatch(batchOf([plainSpan()]));
    const { readers, log } = readersOf(() => {});
    await firstRow(readers, 0);
    await firstRow(readers, 0);
    const { id } = store.segments[0]!;
    expect(log).toEqual([
      ...[`open ${id}`, "read footer", "read data", "close"],
      ...[`open ${id}`, "read data", "close"],
    ]);
  });

  it("forgets the footers used longest ago beyond its bounds", async () => {
    for (let i = 0; i < 3; i++) await store.addBatch(batchOf([plainSpan()]));
    const { readers, log } = readersOf(() => {}, [2, 1e9]);
    const footersRead = async (segment: number) => {
      log.length = 0;
      await firstRow(readers, segment);
      return log.filter((line) => line === "read footer").length;
    };
    expect(await footersRead(0)).toBe(1);
    expect(await footersRead(1)).toBe(1);
    expect(await footersRead(0)).toBe(0);
    expect(await footersRead(2)).toBe(1);
    expect(await footersRead(0)).toBe(0);
    expect(await footersRead(1)).toBe(1);
    const small = readersOf(() => {}, [10, 1]);
    await firstRow(small.readers, 0);
    await firstRow(small.readers, 0);
    expect(small.log.filter((line) => line === "read footer")).toHaveLength(2);
  });

  it("says nothing of a file that is gone, and passes the system's errors on", async () => {
    const meta = await store.addBatch(batchOf([plainSpan()]));
    await store.deleteFile(meta);
    expect(await firstRow(readersOf(() => {}).readers, 0)).toBeUndefined();
    const failing = new SegmentReaders({
      openFile: () => Promise.reject(new Error("no handles left")),
    });
    await expect(failing.attempt(meta, (r) => r.readRows(0, 1))).rejects.toThrow("no handles");
  });
});
