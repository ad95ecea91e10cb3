import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { endOfSegment, type Instants, segmentsIn } from "../../storage/catalog/time-index.ts";
import { maxOf, minOf } from "../bigint-bounds.ts";
import { joinRanges, type StartRange } from "./start-ranges.ts";

/** What may lie between one part of a trace and the next that is in another segment. */
export const SLACK_NANOS = 60_000_000_000n;
/** Parts of at least this are looked at one by one, so that they do not widen the zones. */
export const LONG_NANOS = 10_000_000_000n;
const ZONE_NANOS = SLACK_NANOS + LONG_NANOS;

/** Two segments that may have a trace in common; `first` begins first. */
export type NearPair = { readonly first: SegmentSummary; readonly second: SegmentSummary };

/** Where the parts of traces that two segments have in common start, long parts excepted. */
export type BorderZones = {
  /** Segments in which they may start anywhere. */
  readonly whole: readonly SegmentSummary[];
  /** Segments in which they start in one of `ranges`, if at all. */
  readonly partial: readonly SegmentSummary[];
  readonly ranges: readonly StartRange[];
};

/** Those of the slice and those that come within the slack of one of them, by their first start. */
export function nearSegments(
  slice: readonly SegmentSummary[],
  all: readonly SegmentSummary[],
): readonly SegmentSummary[] {
  const near = new Set(slice);
  for (const around of reaches(slice)) for (const meta of segmentsIn(all, around)) near.add(meta);
  return [...near].sort(byFirstStart);
}

/** When the segments are, with the slack around them; what touches is one. */
function reaches(segments: readonly SegmentSummary[]): Instants[] {
  const found: Instants[] = [];
  let from: bigint | undefined;
  let to = 0n;
  const add = (): void => {
    if (from !== undefined)
      found.push({ startUnixNano: from - SLACK_NANOS, endUnixNano: to + SLACK_NANOS });
  };
  for (const meta of segments.toSorted(byFirstStart)) {
    const end = endOfSegment(meta);
    if (from === undefined || meta.minTraceStart > to + 2n * SLACK_NANOS) {
      add();
      from = meta.minTraceStart;
      to = end;
    } else if (end > to) to = end;
  }
  add();
  return found;
}

function byFirstStart(a: SegmentSummary, b: SegmentSummary): number {
  if (a.minTraceStart !== b.minTraceStart) return a.minTraceStart < b.minTraceStart ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

/**
 * Pairs of `near`, which is in order of first starts, with a segment of the slice in each;
 * `undefined` when there are more than `maxPairs`.
 */
export function nearPairs(
  near: readonly SegmentSummary[],
  slice: ReadonlySet<SegmentSummary>,
  maxPairs: number,
): readonly NearPair[] | undefined {
  const pairs: NearPair[] = [];
  const members = near.filter((meta) => slice.has(meta));
  let membersSeen = 0;
  for (const [i, first] of near.entries()) {
    const to = endOfSegment(first) + SLACK_NANOS;
    const isMember = slice.has(first);
    if (isMember) membersSeen++;
    const others = isMember ? near : members;
    for (let j = isMember ? i + 1 : membersSeen; j < others.length; j++) {
      const second = others[j]!;
      if (second.minTraceStart > to) break;
      if (pairs.length === maxPairs) return undefined;
      pairs.push({ first, second });
    }
  }
  return pairs;
}

/**
 * Of two segments with a trace in common, the part in the first ends in or after the slack before
 * the second begins; the part in the second starts before the slack after the first's is over.
 */
export function zonesOfPairs(pairs: readonly NearPair[]): BorderZones {
  const heads = new Map<SegmentSummary, bigint>();
  const tails = new Map<SegmentSummary, bigint>();
  for (const { first, second } of pairs) {
    const tailFrom = second.minTraceStart - ZONE_NANOS;
    const headTo = first.maxTraceStart + ZONE_NANOS;
    tails.set(first, minOf(tails.get(first) ?? tailFrom, tailFrom));
    heads.set(second, maxOf(heads.get(second) ?? headTo, headTo));
  }
  const segments = new Set(pairs.flatMap(({ first, second }) => [first, second]));
  return zonesOf([...segments], heads, tails);
}

/** The same for all such pairs of `near`, without looking at each. */
export function zonesOfAll(
  near: readonly SegmentSummary[],
  slice: ReadonlySet<SegmentSummary>,
): BorderZones {
  const heads = new Map<SegmentSummary, bigint>();
  const tails = new Map<SegmentSummary, bigint>();
  let latest: bigint | undefined;
  let latestOfSlice: bigint | undefined;
  for (const meta of near) {
    const start = slice.has(meta) ? latest : latestOfSlice;
    if (start !== undefined) heads.set(meta, start + ZONE_NANOS);
    const { maxTraceStart } = meta;
    latest = maxOf(latest ?? maxTraceStart, maxTraceStart);
    if (slice.has(meta)) latestOfSlice = maxOf(latestOfSlice ?? maxTraceStart, maxTraceStart);
  }
  let next: SegmentSummary | undefined;
  let nextOfSlice: SegmentSummary | undefined;
  for (const meta of near.toReversed()) {
    const other = slice.has(meta) ? next : nextOfSlice;
    if (other !== undefined) tails.set(meta, other.minTraceStart - ZONE_NANOS);
    next = meta;
    if (slice.has(meta)) nextOfSlice = meta;
  }
  return zonesOf(near, heads, tails);
}

function zonesOf(
  segments: readonly SegmentSummary[],
  heads: ReadonlyMap<SegmentSummary, bigint>,
  tails: ReadonlyMap<SegmentSummary, bigint>,
): BorderZones {
  const whole: SegmentSummary[] = [];
  const partial: SegmentSummary[] = [];
  const ranges: StartRange[] = [];
  for (const meta of segments) {
    const { minTraceStart: from, maxTraceStart: to } = meta;
    const head = minOf(heads.get(meta) ?? from - 1n, to);
    const tail = maxOf(tails.get(meta) ?? to + 1n, from);
    if (head >= tail - 1n) {
      whole.push(meta);
      continue;
    }
    partial.push(meta);
    if (head >= from) ranges.push({ from, to: head });
    if (tail <= to) ranges.push({ from: tail, to });
  }
  return { whole, partial, ranges: joinRanges(ranges) };
}
