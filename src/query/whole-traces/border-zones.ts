import type { SegmentMeta } from "../../schema/segment-meta.ts";
import { maxOf, minOf } from "../bigint-bounds.ts";
import { joinRanges, type StartRange } from "./start-ranges.ts";

/** What may lie between one part of a trace and the next that is in another segment. */
export const SLACK_NANOS = 60_000_000_000n;
/** Parts of at least this are looked at one by one, so that they do not widen the zones. */
export const LONG_NANOS = 10_000_000_000n;
const ZONE_NANOS = SLACK_NANOS + LONG_NANOS;

/** Where parts of split traces, other than long ones, must start. */
export type BorderZones = {
  /** Segments in which they may start anywhere. */
  readonly whole: readonly SegmentMeta[];
  /** Segments in which they start in one of `ranges`. */
  readonly partial: readonly SegmentMeta[];
  readonly ranges: readonly StartRange[];
};

/**
 * The zones in the segments of `slice` and in those near to them. Of two segments with a trace in
 * common, the part in the one that begins first ends in or after the slack before the other begins;
 * the part in the other starts before the slack after it ends is over.
 */
export function borderZones(
  slice: readonly SegmentMeta[],
  all: readonly SegmentMeta[],
): BorderZones {
  const near = nearSegments(slice, all);
  const whole: SegmentMeta[] = [];
  const partial: SegmentMeta[] = [];
  const ranges: StartRange[] = [];
  let latestStart: bigint | undefined;
  let latestEnd: bigint | undefined;
  for (const [i, meta] of near.entries()) {
    const { minTraceStart: from, maxTraceStart: to } = meta;
    const next = near[i + 1]?.minTraceStart;
    const headTo = latestStart === undefined ? undefined : latestStart + ZONE_NANOS;
    const tailFrom = next === undefined ? undefined : next - ZONE_NANOS;
    const followsOne = latestEnd !== undefined && from <= latestEnd + SLACK_NANOS;
    const leadsToOne = next !== undefined && next <= endOf(meta) + SLACK_NANOS;
    latestStart = latestStart === undefined ? to : maxOf(latestStart, to);
    latestEnd = latestEnd === undefined ? endOf(meta) : maxOf(latestEnd, endOf(meta));
    if (!followsOne && !leadsToOne) continue;
    const head = headTo !== undefined && headTo >= from ? minOf(headTo, to) : undefined;
    const tail = tailFrom !== undefined && tailFrom <= to ? maxOf(tailFrom, from) : undefined;
    if (
      head === to ||
      tail === from ||
      (head !== undefined && tail !== undefined && tail <= head)
    ) {
      whole.push(meta);
      continue;
    }
    partial.push(meta);
    if (head !== undefined) ranges.push({ from, to: head });
    if (tail !== undefined) ranges.push({ from: tail, to });
  }
  return { whole, partial, ranges: joinRanges(ranges) };
}

/** Those of the slice and those that come within the slack of one of them, by their first start. */
function nearSegments(
  slice: readonly SegmentMeta[],
  all: readonly SegmentMeta[],
): readonly SegmentMeta[] {
  const inSlice = new Set(slice);
  const around = joinRanges(
    slice.map((meta) => ({
      from: meta.minTraceStart - SLACK_NANOS,
      to: endOf(meta) + SLACK_NANOS,
    })),
  );
  const isNear = (meta: SegmentMeta): boolean =>
    around.some(({ from, to }) => meta.minTraceStart <= to && endOf(meta) >= from);
  const near = [...slice, ...all.filter((meta) => !inSlice.has(meta) && isNear(meta))];
  return near.sort((a, b) =>
    a.minTraceStart !== b.minTraceStart
      ? a.minTraceStart < b.minTraceStart
        ? -1
        : 1
      : a.id < b.id
        ? -1
        : 1,
  );
}

/** A span may end before it starts. */
export function endOf(meta: SegmentMeta): bigint {
  return maxOf(meta.maxEnd, meta.maxTraceStart);
}
