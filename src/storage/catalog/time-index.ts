import type { SegmentMeta } from "../../schema/segment-meta.ts";

export type SegmentTimes = Pick<SegmentMeta, "minTraceStart" | "maxTraceStart" | "maxEnd">;

/** Both ends inclusive. */
export type Instants = { readonly startUnixNano: bigint; readonly endUnixNano: bigint };

/** What all segments of a block have in common; `ends` are the later of last start and last end. */
type Block = {
  /** Number of segments, ending at the block's place counted from the end of the list. */
  readonly length: number;
  readonly firstStart: bigint;
  readonly lastStart: bigint;
  readonly firstEnd: bigint;
  readonly lastEnd: bigint;
};

/** From the end of the list, so that new segments, which come first, leave most blocks as they are. */
type TimeIndex = readonly Block[];

const BLOCK = 256;
/** Shorter lists are looked through. */
const MIN_INDEXED = 2 * BLOCK;

const indexes = new WeakMap<readonly SegmentTimes[], TimeIndex>();

/** The later of its last start and its last end: a span that ends before it starts is an instant. */
export function endOfSegment({ maxEnd, maxTraceStart }: SegmentTimes): bigint {
  return maxEnd > maxTraceStart ? maxEnd : maxTraceStart;
}

/**
 * The segments of which some trace may overlap the range, in the order of the list, which must never
 * change. A list sorted by time costs a look at each block of it and at the segments found.
 */
export function segmentsIn<T extends SegmentTimes>(
  list: readonly T[],
  { startUnixNano, endUnixNano }: Instants,
): T[] {
  const overlaps = (one: T): boolean =>
    one.minTraceStart <= endUnixNano && endOfSegment(one) >= startUnixNano;
  if (list.length < MIN_INDEXED) return list.filter(overlaps);
  const found: T[] = [];
  const index = indexOf(list);
  let at = 0;
  for (let b = index.length - 1; b >= 0; b--) {
    const { length, firstStart, lastStart, firstEnd, lastEnd } = index[b]!;
    const until = at + length;
    if (firstStart > endUnixNano || lastEnd < startUnixNano) {
      at = until;
    } else if (lastStart <= endUnixNano && firstEnd >= startUnixNano) {
      for (; at < until; at++) found.push(list[at]!);
    } else {
      for (; at < until; at++) if (overlaps(list[at]!)) found.push(list[at]!);
    }
  }
  return found;
}

/** Makes the index of `list` ahead of use, from that of `before`, of which it is another version. */
export function carryIndex(list: readonly SegmentTimes[], before: readonly SegmentTimes[]): void {
  if (list.length < MIN_INDEXED) return;
  indexes.set(list, makeIndex(list, before, indexes.get(before) ?? []));
}

function indexOf(list: readonly SegmentTimes[]): TimeIndex {
  let index = indexes.get(list);
  if (index === undefined) {
    index = makeIndex(list, [], []);
    indexes.set(list, index);
  }
  return index;
}

function makeIndex(
  list: readonly SegmentTimes[],
  before: readonly SegmentTimes[],
  known: TimeIndex,
): TimeIndex {
  const blocks: Block[] = [];
  const shift = before.length - list.length;
  for (let until = list.length; until > 0; until -= BLOCK) {
    const from = Math.max(0, until - BLOCK);
    const old = known[blocks.length];
    const same = old?.length === until - from && isSame(list, before, from, until, shift);
    blocks.push(same ? old : blockOf(list, from, until));
  }
  return blocks;
}

function isSame(
  list: readonly SegmentTimes[],
  before: readonly SegmentTimes[],
  from: number,
  until: number,
  shift: number,
): boolean {
  for (let i = from; i < until; i++) if (list[i] !== before[i + shift]) return false;
  return true;
}

function blockOf(list: readonly SegmentTimes[], from: number, until: number): Block {
  let firstStart = list[from]!.minTraceStart;
  let lastStart = firstStart;
  let firstEnd = endOfSegment(list[from]!);
  let lastEnd = firstEnd;
  for (let i = from + 1; i < until; i++) {
    const start = list[i]!.minTraceStart;
    const end = endOfSegment(list[i]!);
    if (start < firstStart) firstStart = start;
    if (start > lastStart) lastStart = start;
    if (end < firstEnd) firstEnd = end;
    if (end > lastEnd) lastEnd = end;
  }
  return { length: until - from, firstStart, lastStart, firstEnd, lastEnd };
}
