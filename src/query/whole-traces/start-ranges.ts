import { TIME_MAX_UNIX_NANO } from "../../schema/columns.ts";
import { minOf } from "../bigint-bounds.ts";
import { timestampSql } from "../segment-sql.ts";

/** Inclusive bounds on `trace_start`, Unix nanoseconds. */
export type StartRange = { readonly from: bigint; readonly to: bigint };

/** Each range is two comparisons for every row of a row group that the others let pass. */
const MAX_RANGES = 8;

/** Few ranges that hold all of these starts and little else. */
export function rangesOfStarts(starts: readonly bigint[]): StartRange[] {
  const sorted = BigInt64Array.from(starts).sort();
  return joinNearest(
    Array.from(sorted, (start) => ({ from: start, to: start })),
    MAX_RANGES,
  );
}

/** Holds for all rows that start in one of the ranges, and for few others: near ranges are joined. */
export function inRangesSql(ranges: readonly StartRange[], maxRanges = MAX_RANGES): string {
  // Nothing starts later, and a sum beyond would be no timestamp.
  const possible = ranges
    .map(({ from, to }) => ({ from, to: minOf(to, TIME_MAX_UNIX_NANO) }))
    .filter(({ from, to }) => from <= to);
  const joined = joinNearest(joinRanges(possible), maxRanges).map(
    ({ from, to }) => `trace_start BETWEEN ${timestampSql(from)} AND ${timestampSql(to)}`,
  );
  if (joined.length === 0) return "false";
  return joined.map((sql) => `(${sql})`).join(" OR ");
}

/** In order, without those that overlap. */
export function joinRanges(ranges: readonly StartRange[]): StartRange[] {
  const sorted = [...ranges].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const joined: StartRange[] = [];
  for (const range of sorted) {
    const last = joined.at(-1);
    if (last === undefined || range.from > last.to) joined.push(range);
    else if (range.to > last.to) joined[joined.length - 1] = { from: last.from, to: range.to };
  }
  return joined;
}

/** At most `max` ranges, joined where least lies between them. */
function joinNearest(ranges: readonly StartRange[], max: number): StartRange[] {
  if (ranges.length <= max) return [...ranges];
  const gaps = ranges.slice(1).map((range, i) => ({ after: i, size: range.from - ranges[i]!.to }));
  gaps.sort((a, b) => (a.size > b.size ? -1 : a.size < b.size ? 1 : a.after - b.after));
  const kept = new Set(gaps.slice(0, max - 1).map(({ after }) => after));
  const joined: StartRange[] = [];
  let from = ranges[0]!.from;
  for (const [i, range] of ranges.entries()) {
    if (i + 1 < ranges.length && !kept.has(i)) continue;
    joined.push({ from, to: range.to });
    from = ranges[i + 1]?.from ?? from;
  }
  return joined;
}
