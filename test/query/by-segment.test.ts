import fc from "fast-check";
import { expect, test } from "vitest";
import { BySegment } from "../../src/query/by-segment.ts";
import type { SegmentSummary } from "../../src/schema/segment-meta.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";

test("it is a Map of segments, whatever places these have", () => {
  const place = fc.option(fc.nat({ max: 600 }), { nil: undefined });
  const steps = fc.array(fc.tuple(fc.nat({ max: 39 }), fc.option(fc.nat(), { nil: undefined })));
  fc.assert(
    fc.property(fc.array(place, { minLength: 40, maxLength: 40 }), steps, (places, all) => {
      const segments = places.map((at): SegmentSummary => ({ ...aSegmentMeta(), place: at }));
      const known = new BySegment<number>();
      const expected = new Map<SegmentSummary, number>();
      for (const [i, value] of all) {
        const segment = segments[i]!;
        expect(known.has(segment)).toBe(expected.has(segment));
        expect(known.get(segment)).toBe(expected.get(segment));
        if (value === undefined) continue;
        known.set(segment, value);
        expected.set(segment, value);
      }
      for (const segment of segments) expect(known.get(segment)).toBe(expected.get(segment));
    }),
  );
});

test("segments that had the same place one after the other are told apart", () => {
  const [before, after] = [1, 2].map(() => ({ ...aSegmentMeta(), place: 300 }));
  const known = new BySegment<string>();
  known.set(before!, "before");
  expect(known.has(after!)).toBe(false);
  known.set(after!, "after");
  known.set(before!, "again");
  expect([known.get(before!), known.get(after!)]).toEqual(["again", "after"]);
});

test("undefined is a value", () => {
  const segment = { ...aSegmentMeta(), place: 0 };
  const known = new BySegment<undefined>();
  known.set(segment, undefined);
  expect(known.has(segment)).toBe(true);
});
