import { expect, test } from "vitest";
import {
  type BorderZones,
  LONG_NANOS,
  nearPairs,
  nearSegments,
  SLACK_NANOS,
  zonesOfAll,
  zonesOfPairs,
} from "../../../src/query/whole-traces/border-zones.ts";
import { rangesOfStarts } from "../../../src/query/whole-traces/start-ranges.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";

const SECOND = 1_000_000_000n;
const segment = (id: string, from: number, to: number, end = to): SegmentMeta =>
  aSegmentMeta({
    id,
    minTraceStart: BigInt(from) * SECOND,
    maxTraceStart: BigInt(to) * SECOND,
    maxEnd: BigInt(end) * SECOND,
  });

function holds({ whole, partial, ranges }: BorderZones, meta: SegmentMeta, start: bigint): boolean {
  if (whole.includes(meta)) return true;
  return partial.includes(meta) && ranges.some(({ from, to }) => from <= start && start <= to);
}

test("of long segments in a row only the borders are in question", () => {
  const segments = [segment("a", 0, 1000), segment("b", 1000, 2000), segment("c", 2000, 3000)];
  const pairs = nearPairs(nearSegments(segments, segments), new Set(segments), 100)!;
  expect(pairs.map(({ first, second }) => first.id + second.id)).toEqual(["ab", "bc"]);
  const zones = zonesOfPairs(pairs);
  expect(zones.whole).toEqual([]);
  expect(zones.ranges.map(({ from, to }) => [from / SECOND, to / SECOND])).toEqual([
    [930n, 1070n],
    [1930n, 2070n],
  ]);
  expect(zonesOfAll(segments, new Set(segments)).ranges).toEqual(zones.ranges);
});

test("neighbours of the slice are near, their neighbours are not", () => {
  const all = [0, 1, 2, 3, 4].map((n) => segment(`${n}`, n * 1000, n * 1000 + 990));
  expect(nearSegments([all[2]!], all).map(({ id }) => id)).toEqual(["1", "2", "3"]);
  const far = segment("far", 6000, 7000);
  expect(nearSegments([far], [...all, far])).toEqual([far]);
  expect(nearPairs(nearSegments([far], [...all, far]), new Set([far]), 100)).toEqual([]);
});

test("a segment with one span without end is no neighbour of all that follow", () => {
  const all = [
    segment("old", 0, 100, 1_000_000),
    ...Array.from({ length: 5 }, (_, n) => segment(`${n}`, 1000 * n + 1000, 1000 * n + 1990)),
  ];
  const slice = new Set([all[5]!]);
  const near = nearSegments([...slice], all);
  expect(near.map(({ id }) => id)).toEqual(["old", "3", "4"]);
  const zones = zonesOfPairs(nearPairs(near, slice, 100)!);
  // Only its long traces are in question.
  expect(zones.partial).toContain(all[0]);
  expect(holds(zones, all[0]!, 100n * SECOND)).toBe(false);
  expect(zonesOfAll(near, slice)).toEqual({
    ...zones,
    partial: expect.arrayContaining([...zones.partial]),
  });
});

test("more pairs than asked for are not listed", () => {
  const many = Array.from({ length: 20 }, (_, n) => segment(`${n}`, n, n + 5));
  expect(nearPairs(many, new Set(many), 190)).toHaveLength(190);
  expect(nearPairs(many, new Set(many), 189)).toBeUndefined();
});

test("parts that follow each other within the slack start in the zones", () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  const int = (n: number) => Math.floor(random() * n);
  for (let i = 0; i < 2000; i++) {
    const longest = [5, 100, 2000][int(3)]!;
    const all = Array.from({ length: 2 + int(5) }, (_, n) => {
      const from = int(3000);
      const to = from + int(longest);
      return segment(String(n), from, to, to + int(20));
    });
    const slice = new Set(all.filter(() => random() < 0.5));
    const near = nearSegments([...slice], all);
    const kinds = [zonesOfPairs(nearPairs(near, slice, 1000)!), zonesOfAll(near, slice)];
    const [a, b] = [all[int(all.length)]!, all[int(all.length)]!];
    if (a === b || (!slice.has(a) && !slice.has(b))) continue;
    const within = (meta: SegmentMeta) =>
      meta.minTraceStart +
      BigInt(int(Number((meta.maxTraceStart - meta.minTraceStart) / SECOND) + 1)) * SECOND;
    const length = (meta: SegmentMeta, start: bigint) => {
      const most = Number((meta.maxEnd - start) / SECOND);
      return BigInt(Math.min(int(Number(LONG_NANOS / SECOND)), most)) * SECOND;
    };
    const [startA, startB] = [within(a), within(b)];
    const [endA, endB] = [startA + length(a, startA), startB + length(b, startB)];
    if (startA > endB + SLACK_NANOS || startB > endA + SLACK_NANOS) continue;
    for (const zones of kinds) {
      expect(holds(zones, a, startA) && holds(zones, b, startB), `seed ${seed} case ${i}`).toBe(
        true,
      );
    }
  }
});

test("few ranges hold many starts, apart where the gaps are widest", () => {
  const starts = Array.from({ length: 100 }, (_, n) => BigInt(n + (n >= 50 ? 1000 : 0)));
  const ranges = rangesOfStarts(starts);
  expect(ranges.length).toBeLessThanOrEqual(8);
  expect(ranges.some(({ from, to }) => from <= 49n && to >= 1050n)).toBe(false);
  for (const start of starts) {
    expect(ranges.some(({ from, to }) => from <= start && start <= to)).toBe(true);
  }
  expect(rangesOfStarts([])).toEqual([]);
});
