import fc from "fast-check";
import { expect, test } from "vitest";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { chooseMerge, type MergeLimits } from "../../../src/storage/compaction/choose-merge.ts";

const LIMITS: MergeLimits = { maxSpans: 1000, minInputs: 3, maxInputs: 6, windowNanos: 100n };

const someSegment = fc.record({
  level: fc.integer({ min: 0, max: 3 }),
  rowCount: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 1000 })),
  minTraceStart: fc.bigInt(0n, 400n),
  retentionClass: fc.constantFrom(undefined, undefined, "errors", "slow"),
});

test("what is merged is of one class, within all limits, and every merge leaves fewer segments", () => {
  fc.assert(
    fc.property(fc.array(someSegment, { maxLength: 60 }), (list) => {
      let serial = 0;
      let segments = list.map((s) => ({ id: String(serial++), ...s }) as SegmentMeta);
      const spansOf = (all: readonly SegmentMeta[]) =>
        [...Map.groupBy(all, (s) => s.retentionClass)]
          .map(([name, of]) => `${name} ${of.reduce((n, s) => n + s.rowCount, 0)}`)
          .sort();
      const before = spansOf(segments);
      for (let chosen = chooseMerge(segments, LIMITS); chosen; ) {
        const spans = chosen.reduce((n, s) => n + s.rowCount, 0);
        const starts = chosen.map((s) => s.minTraceStart).sort((a, b) => Number(a - b));
        expect(new Set(chosen.map((s) => s.retentionClass)).size).toBe(1);
        expect(chosen.every((s) => s.level > 0 && s.rowCount < LIMITS.maxSpans / 2)).toBe(true);
        expect(chosen.length).toBeGreaterThanOrEqual(LIMITS.minInputs);
        expect(chosen.length).toBeLessThanOrEqual(LIMITS.maxInputs);
        expect(spans).toBeLessThanOrEqual(LIMITS.maxSpans);
        expect(starts.at(-1)! - starts[0]!).toBeLessThanOrEqual(LIMITS.windowNanos);
        const merged = { ...chosen[0]!, id: String(serial++), rowCount: spans, level: 2 };
        segments = [...segments.filter((s) => !chosen?.includes(s)), merged];
        chosen = chooseMerge(segments, LIMITS);
      }
      // Nothing wanders between classes.
      expect(spansOf(segments)).toEqual(before);
    }),
    { numRuns: 300 },
  );
});
