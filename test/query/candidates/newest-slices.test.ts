import { expect, test } from "vitest";
import { maxOf, minOf } from "../../../src/query/bigint-bounds.ts";
import {
  newestSlices,
  type Slice,
  segmentsOfSlice,
} from "../../../src/query/candidates/newest-slices.ts";
import { SliceGrowth } from "../../../src/query/candidates/slice-growth.ts";
import type { RowGroupMeta, SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";

/** Row groups as rows, first and last start. */
function segment(id: string, ...groups: readonly [number, bigint, bigint][]): SegmentMeta {
  const rowGroups = groups.map(
    ([rowCount, minTraceStart, maxTraceStart]): RowGroupMeta => ({
      rowCount,
      minTraceStart,
      maxTraceStart,
    }),
  );
  return aSegmentMeta({
    id,
    rowGroups,
    minTraceStart: groups.map(([, min]) => min).reduce(minOf),
    maxTraceStart: groups.map(([, , max]) => max).reduce(maxOf),
  });
}

/** Nothing is found. */
const growth = () =>
  new SliceGrowth(20, { firstRows: 10, minRows: 10, blindRows: 10, maxRows: 100 });
const shown = ({ fromUnixNano, beforeUnixNano }: Slice) => [fromUnixNano, beforeUnixNano];

test("slices end between row groups, grow, and follow each other to the oldest trace", () => {
  const groups = Array.from({ length: 60 }, (_, i): [number, bigint, bigint] => {
    const start = 1000n - 10n * BigInt(i);
    return [10, start - 9n, start];
  });
  const slices = [...newestSlices([segment("a", ...groups)], undefined, growth())];
  expect(slices.map(shown)).toEqual([
    [991n, undefined],
    [951n, 991n],
    [851n, 951n],
    [751n, 851n],
    [651n, 751n],
    [551n, 651n],
    [451n, 551n],
    [undefined, 451n],
  ]);
});

test("slices have the rows in which the rest of what is wanted should be found", () => {
  const groups = Array.from({ length: 60 }, (_, i): [number, bigint, bigint] => {
    const start = 1000n - 10n * BigInt(i);
    return [10, start - 9n, start];
  });
  const found = growth();
  const slices = newestSlices([segment("a", ...groups)], undefined, found);
  expect(shown(slices.next().value!)).toEqual([991n, undefined]);
  // 8 in 10 rows: the other 12 should be in 15, and some more.
  found.setFound(8);
  expect(shown(slices.next().value!)).toEqual([961n, 991n]);
});

test("row groups that start together are not told apart", () => {
  const same = segment("a", [10, 5n, 9n], [10, 5n, 5n], [10, 5n, 5n], [10, 1n, 4n]);
  expect([...newestSlices([same], undefined, growth())].map(shown)).toEqual([
    [5n, undefined],
    [undefined, 5n],
  ]);
});

test("what begins after the range does not count", () => {
  const late = segment("late", [1000, 50n, 60n]);
  const early = segment("early", [10, 20n, 30n], [10, 10n, 19n]);
  const range = { startUnixNano: 0n, endUnixNano: 40n };
  expect([...newestSlices([late, early], range, growth())].map(shown)).toEqual([
    [20n, undefined],
    [undefined, 20n],
  ]);
});

test("a slice's segments are those that reach into it", () => {
  const segments = [
    segment("new", [1, 30n, 40n]),
    segment("long", [1, 5n, 35n]),
    segment("old", [1, 1n, 9n]),
  ];
  const ids = (slice: Slice) => segmentsOfSlice(segments, slice).map(({ id }) => id);
  expect(ids({ fromUnixNano: 30n, beforeUnixNano: undefined })).toEqual(["new", "long"]);
  expect(ids({ fromUnixNano: 10n, beforeUnixNano: 30n })).toEqual(["long"]);
  expect(ids({ fromUnixNano: undefined, beforeUnixNano: 10n })).toEqual(["long", "old"]);
});

test("without segments there is one slice of nothing", () => {
  expect([...newestSlices([], undefined, growth())].map(shown)).toEqual([[undefined, undefined]]);
});
