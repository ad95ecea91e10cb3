import { existsSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ReadFile } from "../../../src/drivers/files/files.ts";
import { SegmentReaders } from "../../../src/query/segment-readers.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import type { SegmentNeed } from "../../../src/storage/segment-cache/segment-files.ts";
import { segmentPath } from "../../../src/storage/segments/segment-writer.ts";
import { hexToBytes } from "../../../src/util/hex.ts";
import { traceIdOf } from "../../support/batch-builder.ts";
import { ReaderStore } from "../segments/read/reader-store.ts";
import { bytesOf, CacheBench, NEVER, shopBatch, written } from "./cache-support.ts";

let bench: CacheBench;
beforeEach(async () => {
  bench = await CacheBench.open();
});
afterEach(() => bench.close());

/** 60,000 spans in nine row groups or so, larger than what is fetched whole. */
const LARGE = written(shopBatch(12_000), 7000);

function largeSegment(local = false) {
  return bench.store(LARGE, { local });
}

function need(meta: SegmentMeta, columns: string[], rowGroups: number[] | "all"): SegmentNeed {
  return { meta, columns: new Set(columns), rowGroups };
}

const NARROW = ["trace_id", "trace_start", "span.attribute.1"];

describe("what is fetched", () => {
  test("a narrow need takes less than 15 % of a segment, and nothing the second time", async () => {
    const { meta } = await largeSegment();
    expect(meta.byteSize).toBeGreaterThan(1 << 20);
    const cache = await bench.cache();
    using _ = await cache.pin([need(meta, NARROW, [0, 1, 2])], NEVER);
    expect(bench.counts.bytes / meta.byteSize).toBeLessThan(0.15);
    const { requests } = bench.counts;
    expect(requests).toBeLessThanOrEqual(10);
    using __ = await cache.pin([need(meta, NARROW.slice(1), [1])], NEVER);
    expect(bench.counts.requests).toBe(requests);
    expect(bench.gets()).toBe(requests);
  });

  test("what other files of the segment have is copied, not fetched again", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    using _ = await cache.pin([need(meta, NARROW, [0])], NEVER);
    const before = bench.counts.bytes;
    using __ = await cache.pin([need(meta, [...NARROW, "status"], [0])], NEVER);
    expect(bench.counts.bytes - before).toBeLessThan(2000);
  });

  test("needs for the same at the same time are met by one fetch", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    const pins = await Promise.all(
      Array.from({ length: 5 }, () => cache.pin([need(meta, NARROW, [0])], NEVER)),
    );
    expect(new Set(pins.map((pin) => pin.pathOf(meta.id))).size).toBe(1);
    const { requests } = bench.counts;
    using _ = await (await bench.cache()).pin([need(meta, NARROW, [0])], NEVER);
    expect(bench.counts.requests).toBe(2 * requests);
  });

  test("a small segment, and one of which much is needed, is fetched whole", async () => {
    const small = await bench.store(written(shopBatch(20), 1000));
    const large = await largeSegment();
    const cache = await bench.cache();
    using pinned = await cache.pin(
      [
        need(small.meta, ["name"], "all"),
        { meta: large.meta, columns: "all", rowGroups: [0, 1, 2, 3, 4] },
      ],
      NEVER,
    );
    for (const { meta, path } of [small, large]) {
      expect(pinned.pathOf(meta.id)).toBe(segmentPath(bench.segmentDir, meta));
      expect(bytesOf(pinned.pathOf(meta.id))).toEqual(bytesOf(path));
    }
  });

  test("a trace by id costs three requests at most, and none the second time", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    const readers = new SegmentReaders({ openFile: (segment) => cache.openRead(segment, NEVER) });
    const id = hexToBytes(traceIdOf(1_000_003n * 700n));
    const find = () =>
      readers.attempt(meta, async (reader) => {
        const range = await reader.findTrace(id);
        return range && (await reader.readRows(range.fromRow, range.toRow));
      });
    const found = await find();
    expect(found?.result?.rowCount).toBe(5);
    expect(bench.gets()).toBeLessThanOrEqual(3);
    const gets = bench.gets();
    expect(await find()).toEqual(found);
    expect(bench.gets()).toBe(gets);
  });
});

describe("what is at hand", () => {
  const read = async (file: ReadFile | undefined, from: number, length: number) => {
    const target = new Uint8Array(length);
    return target.subarray(0, await file?.read(target, from));
  };

  test("is a whole copy while there is one", async () => {
    const { meta, path } = await largeSegment(true);
    const cache = await bench.cache();
    const file = await cache.openLocal(meta);
    expect(await read(file, 1000, 500)).toEqual(LARGE.bytes.subarray(1000, 1500));
    await file?.close();
    truncateSync(path, 1000);
    expect(await cache.openLocal(meta)).toBeUndefined();
    expect(bench.gets()).toBe(0);
  });

  test("is the end of the object once something was fetched, and no more of it", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    expect(await cache.openLocal(meta)).toBeUndefined();
    expect(bench.gets()).toBe(0);
    using _ = await cache.pin([need(meta, NARROW, [0])], NEVER);
    const gets = bench.gets();
    const file = await cache.openLocal(meta);
    expect(file?.sizeBytes).toBe(meta.byteSize);
    const from = meta.byteSize - 50_000;
    expect(await read(file, from, 60_000)).toEqual(LARGE.bytes.subarray(from));
    await expect(read(file, 1000, 500)).rejects.toMatchObject({ kind: "unavailable" });
    await file?.close();
    expect(bench.gets()).toBe(gets);
  });
});

describe("projection files", () => {
  test("read like the whole file, for any columns and row groups", async () => {
    const { meta, path } = await largeSegment();
    const reader = await ReaderStore.open();
    try {
      const whole = await reader.rows(path);
      const cache = await bench.cache();
      const choices: [string[], number[] | "all"][] = [
        [["name"], [0]],
        [
          ["trace_id", "span_id", "duration_ns"],
          [1, 3, 7],
        ],
        [["span.attribute.0", "span.attribute.3", "kind"], [2]],
        [["trace_start", "service_name", "no such column"], "all"],
        [["no such column"], [5]],
      ];
      for (const [columns, rowGroups] of choices) {
        using pinned = await cache.pin([need(meta, columns, rowGroups)], NEVER);
        const part = await reader.rows(pinned.pathOf(meta.id));
        const groups = rowGroups === "all" ? meta.rowGroups.map((_, i) => i) : rowGroups;
        const rows = groups.flatMap((g) => rowsOf(meta, g));
        expect(part.rowCount).toBe(rows.length);
        for (const [c, name] of part.names.entries()) {
          const original = whole.columns[whole.names.indexOf(name)]!;
          expect(part.columns[c]).toEqual(rows.map((row) => original[row]));
        }
        for (const name of columns) {
          if (whole.names.includes(name)) expect(part.names).toContain(name);
        }
      }
    } finally {
      await reader.close();
    }
  });
});

describe("what is kept", () => {
  test("the files used last, up to the cap; none that somebody reads", async () => {
    const segments = [await largeSegment(), await largeSegment(), await largeSegment()];
    const [a, b, c] = segments.map(({ meta }) => meta) as [SegmentMeta, SegmentMeta, SegmentMeta];
    const cache = await bench.cache(2.5 * a.byteSize);
    const all = (meta: SegmentMeta): SegmentNeed => ({ meta, columns: "all", rowGroups: "all" });
    const pinned = await cache.pin([all(a)], NEVER);
    (await cache.pin([all(b)], NEVER))[Symbol.dispose]();
    (await cache.pin([all(c)], NEVER))[Symbol.dispose]();
    const isThere = (meta: SegmentMeta) => existsSync(segmentPath(bench.segmentDir, meta));
    expect([a, b, c].map(isThere)).toEqual([true, false, true]);
    pinned[Symbol.dispose]();
    (await cache.pin([all(b)], NEVER))[Symbol.dispose]();
    expect([a, b, c].map(isThere)).toEqual([false, true, true]);
    expect(cache.bytes).toBeLessThanOrEqual(2.5 * a.byteSize);
  });

  test("local files of what the bucket has are copies from the start; other files of the cache go", async () => {
    const { meta } = await largeSegment(true);
    const first = await bench.cache();
    (await first.pin([need(meta, NARROW, [0])], NEVER))[Symbol.dispose]();
    expect(bench.counts.requests).toBe(0);
    writeFileSync(`${bench.cacheDir}/left-over.parquet`, "x");
    const cache = await bench.cache(10);
    expect(readdirSync(bench.cacheDir)).toEqual([]);
    await expect.poll(() => existsSync(segmentPath(bench.segmentDir, meta))).toBe(false);
    expect(cache.bytes).toBe(0);
  });

  test("nothing of a segment that left the catalog, once it is read no more", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    const pinned = await cache.pin([need(meta, NARROW, [0])], NEVER);
    const path = pinned.pathOf(meta.id);
    await cache.forget(meta.id);
    expect(statSync(path).size).toBeGreaterThan(0);
    pinned[Symbol.dispose]();
    await expect.poll(() => existsSync(path)).toBe(false);
    expect(cache.bytes).toBe(0);
  });

  test("the cap holds while many segments are needed at once", async () => {
    const metas: SegmentMeta[] = [];
    for (let i = 0; i < 6; i++) metas.push((await largeSegment()).meta);
    const cap = Math.floor(1.5 * metas[0]!.byteSize);
    const cache = await bench.cache(cap);
    const all = metas.map((meta) => ({ meta, columns: "all", rowGroups: "all" }) as const);
    await expect(cache.pin(all, NEVER)).rejects.toMatchObject({ kind: "limited" });
    expect(cache.bytes).toBeLessThanOrEqual(cap);
    expect(bench.counts.bytes).toBeLessThan(3 * cap);
    using _ = await cache.pin(
      metas.map((meta) => need(meta, NARROW, [0])),
      NEVER,
    );
    expect(cache.bytes).toBeLessThanOrEqual(cap);
  });

  test("a copy that is fetched again while the old one is read stays when that is let go", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    const all = { meta, columns: "all", rowGroups: "all" } as const;
    const first = await cache.pin([all], NEVER);
    truncateSync(first.pathOf(meta.id), 1000);
    using second = await cache.pin([all], NEVER);
    first[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(statSync(second.pathOf(meta.id)).size).toBe(meta.byteSize);
  });

  test("needs beyond the cap are refused", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache(1000);
    const all = { meta, columns: "all", rowGroups: "all" } as const;
    await expect(cache.pin([all], NEVER)).rejects.toMatchObject({ kind: "limited" });
  });
});

describe("what is broken", () => {
  test("a copy that was cut short or deleted is fetched again", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    const path = async (): Promise<string> => {
      using pinned = await cache.pin([need(meta, NARROW, [0])], NEVER);
      expect(statSync(pinned.pathOf(meta.id)).size).toBeGreaterThan(1000);
      return pinned.pathOf(meta.id);
    };
    truncateSync(await path(), 100);
    await path();
    expect(bench.counts.broken).toBe(1);
  });

  test("a whole copy that was cut short is not read by rows", async () => {
    const { meta, path } = await largeSegment(true);
    const cache = await bench.cache();
    truncateSync(segmentPath(bench.segmentDir, meta), 1000);
    const original = await bench.store(LARGE);
    const file = await cache.openRead(meta, NEVER);
    const target = new Uint8Array(5000);
    expect(await file.read(target, 500)).toBe(5000);
    expect(target).toEqual(bytesOf(original.path).subarray(500, 5500));
    await file.close();
    expect(bench.counts.broken).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  test("a chunk that changed on the disk is fetched again, not copied", async () => {
    const { meta, path } = await largeSegment();
    const reader = await ReaderStore.open();
    const cache = await bench.cache();
    using first = await cache.pin([need(meta, ["name"], [0])], NEVER);
    const copy = first.pathOf(meta.id);
    const bytes = bytesOf(copy);
    bytes.fill(7, 40, 60);
    writeFileSync(copy, bytes);
    using second = await cache.pin([need(meta, ["name", "kind"], [0])], NEVER);
    const part = await reader.rows(second.pathOf(meta.id));
    const whole = await reader.rows(path);
    const names = whole.columns[whole.names.indexOf("name")]!;
    expect(part.columns[part.names.indexOf("name")]).toEqual(rowsOf(meta, 0).map((r) => names[r]));
    expect(bench.counts.broken).toBe(1);
    await reader.close();
  });

  test.each(["replaced", "gone", "no Parquet"])(
    "an object that is %s gives an error with the segment's name",
    async (what) => {
      const { meta } = await largeSegment();
      const key = segmentKey(meta);
      const { store } = bench.bucket;
      let wanted = meta;
      if (what === "gone") await store.delete(key, { signal: NEVER });
      if (what === "replaced") wanted = { ...meta, object: { version: '"another"' } };
      if (what === "no Parquet") {
        await store.delete(key, { signal: NEVER });
        const body = new Uint8Array(meta.byteSize).fill(80);
        const { info } = await store.put(key, body, { signal: NEVER, ifAbsent: false });
        wanted = { ...meta, object: { version: info.version } };
      }
      const cache = await bench.cache();
      const failure = expect.objectContaining({
        kind: what === "gone" ? "not_found" : "corrupt",
        message: expect.stringContaining(meta.id),
      });
      await expect(cache.pin([need(wanted, NARROW, [0])], NEVER)).rejects.toEqual(failure);
      const all = { meta: wanted, columns: "all", rowGroups: "all" } as const;
      await expect(cache.pin([all], NEVER)).rejects.toEqual(failure);
      expect(cache.bytes).toBe(0);
    },
  );

  test("an object with other row groups than the catalog says is refused", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    const [first, ...others] = meta.rowGroups;
    for (const rowGroups of [
      [...meta.rowGroups, first!],
      [{ ...first!, rowCount: 1 }, ...others],
    ]) {
      const other = { ...meta, rowGroups };
      await expect(cache.pin([need(other, NARROW, [0])], NEVER)).rejects.toMatchObject({
        kind: "corrupt",
      });
    }
  });

  test("the end of an object is fetched once for readers at the same time", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    await Promise.all(Array.from({ length: 5 }, () => cache.header(meta, NEVER)));
    expect(bench.gets()).toBe(1);
  });

  test("an aborted need ends at once and leaves nothing pinned", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    const gone = new AbortController();
    const pinning = cache.pin([need(meta, NARROW, [0])], gone.signal);
    gone.abort();
    await expect(pinning).rejects.toMatchObject({ kind: "canceled" });
    using _ = await cache.pin([need(meta, NARROW, [0])], NEVER);
  });

  test("rows that are still fetched when their reader gives up leave nothing pinned", async () => {
    const { meta } = await largeSegment();
    const cache = await bench.cache();
    const file = await cache.openRead(meta, NEVER);
    const { footer } = await cache.header(meta, NEVER);
    const reads = [0, 1, 2].map((group) => {
      const [chunk] = footer.groups[group]!.chunks;
      return file.read(new Uint8Array(10), chunk!.start);
    });
    await reads[0];
    const late = file.read(new Uint8Array(10), footer.groups[3]!.chunks[0]!.start);
    const ends = Promise.allSettled([...reads, late]);
    await file.close();
    await ends;
    await cache.forget(meta.id);
    await expect.poll(() => cache.bytes).toBe(0);
  });
});

function rowsOf(meta: SegmentMeta, group: number): number[] {
  const first = meta.rowGroups.slice(0, group).reduce((sum, { rowCount }) => sum + rowCount, 0);
  return Array.from({ length: meta.rowGroups[group]!.rowCount }, (_, i) => first + i);
}
