import fc from "fast-check";
import { expect, test } from "vitest";
import { BySegment, PAGE_SIZE } from "../../src/query/by-segment.ts";
import type { SegmentSummary } from "../../src/schema/segment-meta.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";

const segment = (id: string, place?: number): SegmentSummary => ({
  ...aSegmentMeta({ id }),
  place,
});

test("it is a Map of segments, whatever places these have", () => {
  const places = fc.uniqueArray(fc.nat({ max: 4 * PAGE_SIZE }), { minLength: 20, maxLength: 20 });
  const steps = fc.array(fc.tuple(fc.nat({ max: 29 }), fc.option(fc.nat(), { nil: undefined })));
  fc.assert(
    fc.property(places, steps, (placed, all) => {
      const segments = Array.from({ length: 30 }, (_, i) => segment(`${i}`, placed[i]));
      const known = new BySegment<number>();
      const expected = new Map<SegmentSummary, number>();
      for (const [i, value] of all) {
        const one = segments[i]!;
        expect(known.has(one)).toBe(expected.has(one));
        expect(known.get(one)).toBe(expected.get(one));
        if (value === undefined) continue;
        known.set(one, value);
        expected.set(one, value);
      }
      for (const one of segments) expect(known.get(one)).toBe(expected.get(one));
    }),
  );
});

test("of segments that had the same place the last one that was set is known", () => {
  const [before, after] = [segment("a", 300), segment("b", 300)];
  const known = new BySegment<string>();
  known.set(before, "before");
  expect([known.has(after), known.get(after)]).toEqual([false, undefined]);
  known.set(after, "after");
  expect([known.has(before), known.get(before), known.get(after)]).toEqual([
    false,
    undefined,
    "after",
  ]);
});

test("another description of the same segment finds what is known", () => {
  const known = new BySegment<string>();
  known.set(segment("a", 7), "a");
  expect(known.get(segment("a", 7))).toBe("a");
});

test("undefined is a value", () => {
  const known = new BySegment<undefined>();
  known.set(segment("a", 0), undefined);
  known.set(segment("b"), undefined);
  expect([segment("a", 0), segment("b"), segment("c", 1)].map((one) => known.has(one))).toEqual([
    true,
    true,
    false,
  ]);
});

test("pages are made where there are places", () => {
  const known = new BySegment<number>();
  for (const place of [0, PAGE_SIZE - 1, 90 * PAGE_SIZE, undefined])
    known.set(segment("a", place), 1);
  expect(known.pageCount).toBe(2);
});
