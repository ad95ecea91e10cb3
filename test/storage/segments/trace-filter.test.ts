import { describe, expect, it } from "vitest";
import { bloomContains, bloomInsert } from "../../../src/storage/segments/parquet/bloom-filter.ts";
import {
  buildTraceFilter,
  mayContain,
  traceIdHash,
} from "../../../src/storage/segments/trace-filter.ts";

function someIds(count: number, salt: number): Uint8Array {
  const ids = new Uint8Array(16 * count);
  const view = new DataView(ids.buffer);
  for (let i = 0; i < count; i++) {
    view.setUint32(16 * i, salt);
    view.setUint32(16 * i + 12, i);
  }
  return ids;
}

function idAt(ids: Uint8Array, i: number): Uint8Array {
  return ids.subarray(16 * i, 16 * i + 16);
}

describe("trace filter", () => {
  it.each([0, 1, 8, 9, 10, 21, 1000, 30_000])("holds all of %i ids", (count) => {
    const ids = someIds(count, 1);
    const filter = buildTraceFilter(ids, count);
    for (let i = 0; i < count; i++) expect(mayContain(filter, idAt(ids, i))).toBe(true);
    expect(buildTraceFilter(ids, count)).toEqual(filter);
  });

  it("takes less than 20 bits each for many ids, one block for a few", () => {
    expect(buildTraceFilter(someIds(30_000, 1), 30_000).length).toBeLessThan((30_000 * 20) / 8);
    expect(buildTraceFilter(someIds(8, 1), 8).length).toBe(32);
    expect(buildTraceFilter(someIds(0, 1), 0)).toEqual(new Uint8Array(32));
  });

  it.each([8, 9, 100, 10_000])("of %i ids refuses all but a few of 500 000 others", (count) => {
    const filter = buildTraceFilter(someIds(count, 1), count);
    const others = someIds(500_000, 2);
    let wrong = 0;
    for (let i = 0; i < 500_000; i++) if (mayContain(filter, idAt(others, i))) wrong++;
    // 7.6 are expected; the ids are the same in each run.
    expect(wrong).toBeLessThan(25);
  });

  it("takes ids that are there several times", () => {
    const once = someIds(500, 1);
    const ids = new Uint8Array(once.length * 2 + 16 * 1000);
    ids.set(once);
    ids.set(once, once.length);
    for (let i = 0; i < 1000; i++) ids.set(idAt(once, 7), once.length * 2 + 16 * i);
    const filter = buildTraceFilter(ids, 2000);
    for (let i = 0; i < 500; i++) expect(mayContain(filter, idAt(once, i))).toBe(true);
    expect(filter.length).toBeLessThan((500 * 30) / 8);
    expect(mayContain(filter, idAt(someIds(1, 2), 0))).toBe(false);
    expect(mayContain(buildTraceFilter(new Uint8Array(1600), 100), new Uint8Array(16))).toBe(true);
  });

  it("reads the bloom filters of older segments", () => {
    const ids = someIds(1000, 1);
    const words = new Uint32Array(8 * 47);
    for (let i = 0; i < 1000; i++) {
      const [lo, hi] = traceIdHash(idAt(ids, i));
      bloomInsert(words, lo!, hi!);
    }
    const filter = new Uint8Array(words.buffer);
    const others = someIds(10_000, 2);
    for (let i = 0; i < 1000; i++) expect(mayContain(filter, idAt(ids, i))).toBe(true);
    for (let i = 0; i < 10_000; i++) {
      const [lo, hi] = traceIdHash(idAt(others, i));
      expect(mayContain(filter, idAt(others, i))).toBe(bloomContains(filter, lo!, hi!));
    }
  });

  it("refuses nothing when the filter is not one", () => {
    const id = someIds(1, 1);
    expect(mayContain(new Uint8Array(0), id)).toBe(true);
    expect(mayContain(new Uint8Array(33), id)).toBe(true);
    expect(mayContain(new Uint8Array(32), id)).toBe(false);
    const filter = buildTraceFilter(someIds(100, 2), 100);
    expect(mayContain(filter, id)).toBe(false);
    expect(mayContain(filter.subarray(0, filter.length - 2), id)).toBe(true);
    for (const at of [0, 1, 2, 3, 4, 7]) {
      const changed = filter.slice();
      changed[at]! ^= 0xc0;
      expect(mayContain(changed, id)).toBe(true);
    }
  });
});
