import { describe, expect, it } from "vitest";
import { buildTraceFilter, mayContain } from "../../../src/storage/segments/trace-filter.ts";

function someIds(count: number, salt: number): Uint8Array {
  const ids = new Uint8Array(16 * count);
  const view = new DataView(ids.buffer);
  for (let i = 0; i < count; i++) {
    view.setUint32(16 * i, salt);
    view.setUint32(16 * i + 12, i);
  }
  return ids;
}

describe("trace filter", () => {
  it.each([0, 1, 21, 22, 1000])("holds all of %i ids in about 12 bits each", (count) => {
    const ids = someIds(count, 1);
    const filter = buildTraceFilter(ids, count);
    for (let i = 0; i < count; i++) {
      expect(mayContain(filter, ids.subarray(16 * i, 16 * i + 16))).toBe(true);
    }
    expect(filter.length).toBe(32 * Math.max(1, Math.ceil((count * 12) / 256)));
  });

  it("refuses nearly all other ids", () => {
    const filter = buildTraceFilter(someIds(10_000, 1), 10_000);
    const others = someIds(10_000, 2);
    let wrong = 0;
    for (let i = 0; i < 10_000; i++) {
      if (mayContain(filter, others.subarray(16 * i, 16 * i + 16))) wrong++;
    }
    expect(wrong).toBeLessThan(200);
    expect(wrong).toBeGreaterThan(0);
  });

  it("refuses nothing when the filter is not one", () => {
    const id = someIds(1, 1);
    expect(mayContain(new Uint8Array(0), id)).toBe(true);
    expect(mayContain(new Uint8Array(33), id)).toBe(true);
    expect(mayContain(new Uint8Array(32), id)).toBe(false);
  });
});
