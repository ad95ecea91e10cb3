import { expect, test } from "vitest";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { chooseMerge, type MergeLimits } from "../../../src/storage/compaction/choose-merge.ts";

const MINUTE = 60_000_000_000n;
const LIMITS: MergeLimits = {
  maxSpans: 16_000,
  minInputs: 4,
  maxInputs: 8,
  windowNanos: 60n * MINUTE,
};

function segment(id: string, minute: number, rowCount: number, level = 1): SegmentMeta {
  const minTraceStart = BigInt(minute) * MINUTE;
  return { id, level, rowCount, minTraceStart, maxTraceStart: minTraceStart } as SegmentMeta;
}

function chosen(segments: readonly SegmentMeta[], limits = LIMITS): string[] | undefined {
  const newestFirst = segments.toReversed();
  return chooseMerge(newestFirst, limits)?.map((s) => s.id);
}

test("fewer small neighbours than minInputs are left alone", () => {
  expect(chosen([1, 2, 3].map((m) => segment(`s${m}`, m, 100)))).toBeUndefined();
});

test("the oldest run of small neighbours is taken, at most maxInputs of them", () => {
  const segments = Array.from({ length: 20 }, (_, m) => segment(`s${m}`, m, 100));
  expect(chosen(segments)).toEqual(["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"]);
});

test("head cuts and large segments are no inputs", () => {
  const segments = [
    segment("a", 1, 100, 0),
    segment("b", 2, 100),
    segment("big", 3, 9000),
    segment("c", 4, 100),
    segment("d", 5, 100),
  ];
  expect(chosen(segments)).toBeUndefined();
  expect(chosen([...segments, segment("e", 6, 100)])).toEqual(["b", "c", "d", "e"]);
});

test("the result never exceeds maxSpans", () => {
  const segments = Array.from({ length: 8 }, (_, m) => segment(`s${m}`, m, 3000));
  const ids = chosen(segments);
  expect(ids).toHaveLength(5);
});

test("a segment far larger than its neighbours is not written again for them", () => {
  const segments = [
    segment("a", 1, 7000),
    segment("b", 2, 1100),
    segment("c", 3, 1100),
    segment("d", 4, 1100),
    segment("e", 5, 1100),
  ];
  expect(chosen(segments)).toEqual(["b", "c", "d", "e"]);
});

test("segments of different windows are not merged", () => {
  const segments = [1, 2, 3, 70, 71, 72].map((m) => segment(`s${m}`, m, 100));
  expect(chosen(segments)).toBeUndefined();
});
