import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildFuseFilter, fuseContains } from "../../../src/storage/segments/fuse-filter.ts";
import { buildTraceFilter, mayContain } from "../../../src/storage/segments/trace-filter.ts";
import { testSeed } from "../../support/random.ts";

const SEED = testSeed();
console.log(`seed ${SEED}`);

describe("trace filter, whatever the ids", () => {
  it("misses none of them", () => {
    const ids = fc.uint8Array({ maxLength: 16 * 400 });
    fc.assert(
      fc.property(ids, (bytes) => {
        const count = bytes.length >>> 4;
        const filter = buildTraceFilter(bytes, count);
        for (let i = 0; i < count; i++) {
          expect(mayContain(filter, bytes.subarray(16 * i, 16 * i + 16))).toBe(true);
        }
      }),
      { numRuns: 300, seed: SEED },
    );
  });

  it("builds of hashes with any low halves, near ones and copies among them, and misses none", () => {
    const half = fc.oneof(fc.nat(5), fc.constant(0xffffffff), fc.nat(0xffffffff));
    const hashes = fc.array(fc.tuple(half, half), { minLength: 1, maxLength: 500 });
    fc.assert(
      fc.property(hashes, (pairs) => {
        const filter = buildFuseFilter(Uint32Array.from(pairs.flat()));
        if (filter === undefined) {
          const lows = new Set(pairs.map(([lo]) => lo));
          const keys = new Set(pairs.map((pair) => pair.join()));
          expect(lows.size, "no seed fits keys of different low halves").toBeLessThan(keys.size);
          return;
        }
        expect(filter.length % 8).toBe(4);
        for (const [lo, hi] of pairs) expect(fuseContains(filter, lo, hi)).toBe(true);
      }),
      { numRuns: 300, seed: SEED },
    );
  });

  it("answers for any bytes without an error", () => {
    const header = fc.tuple(
      fc.constant(0x46),
      fc.constant(1),
      fc.nat(20),
      fc.constant(0),
      ...Array.from({ length: 8 }, () => fc.oneof(fc.nat(3), fc.nat(255))),
    );
    const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 600 }), id, (head, rest, traceId) => {
        expect(typeof mayContain(Uint8Array.from([...head, ...rest]), traceId)).toBe("boolean");
        expect(typeof mayContain(rest, traceId)).toBe("boolean");
      }),
      { numRuns: 2000, seed: SEED },
    );
  });
});
