import { PintailError } from "../../errors.ts";
import { formatDuration } from "../../traceql/duration.ts";

/** Buckets `(start + i * step, start + (i + 1) * step]`, `count` of them. */
export type MetricsGrid = {
  readonly startUnixNano: bigint;
  readonly stepNanos: bigint;
  readonly count: number;
};

export type GridRules = {
  readonly nowMs: number;
  /** A range query ends at least this long ago; 0 = off. */
  readonly endCutoffMs: number;
  /** Longest range; 0 = off. */
  readonly maxDurationMs: number;
  /** Most steps of a range; 0 = off. */
  readonly maxIntervals: number;
};

const MS_NANOS = 1_000_000n;
const SECOND_NANOS = 1_000_000_000n;

/** Steps of a range, whatever the settings say: every series holds a number for each. */
const MAX_INTERVALS = 200_000;

export function endOfGrid({ startUnixNano, stepNanos, count }: MetricsGrid): bigint {
  return startUnixNano + stepNanos * BigInt(count);
}

/** Right edges of the buckets, Unix milliseconds, floored. */
export function timestampsOf({ startUnixNano, stepNanos, count }: MetricsGrid): number[] {
  return Array.from({ length: count }, (_, i) =>
    Number((startUnixNano + stepNanos * BigInt(i + 1)) / MS_NANOS),
  );
}

export type GridRequest = {
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  /** Absent: chosen by the length of the range. */
  readonly stepNanos: bigint | undefined;
};

/** The grid of a range query, aligned to multiples of the step. Throws `invalid` in Tempo's words. */
export function rangeGrid(request: GridRequest, rules: GridRules): MetricsGrid {
  const { startUnixNano: start, endUnixNano: end } = request;
  if (start <= 0n || (request.stepNanos ?? 0n) < 0n) {
    throw new PintailError("invalid", "start required");
  }
  if (start > end) throw endNotAfterStart();
  const step = request.stepNanos ?? autoStep(end - start);
  checkStep(step, end - start, rules);
  const floored = (start / step) * step;
  const alignedStart = floored > step ? floored - step : floored;
  let alignedEnd = ((end + step - 1n) / step) * step;
  if (rules.endCutoffMs > 0) {
    const latest = BigInt(Math.trunc(rules.nowMs - rules.endCutoffMs)) * MS_NANOS;
    if (alignedEnd > latest) alignedEnd = (latest / step) * step;
  }
  if (alignedEnd < alignedStart) throw endNotAfterStart();
  checkDuration(alignedEnd - alignedStart, rules);
  const count = Number((alignedEnd - alignedStart) / step);
  return { startUnixNano: alignedStart, stepNanos: step, count };
}

/** The one bucket of an instant query. */
export function instantGrid(
  request: Omit<GridRequest, "stepNanos">,
  rules: Pick<GridRules, "maxDurationMs">,
): MetricsGrid {
  const { startUnixNano: start, endUnixNano: end } = request;
  if (start <= 0n) throw new PintailError("invalid", "start required");
  if (start >= end) throw endNotAfterStart();
  checkDuration(end - start, rules);
  return { startUnixNano: start, stepNanos: end - start, count: 1 };
}

function endNotAfterStart(): PintailError {
  return new PintailError("invalid", "end must be greater than start");
}

function checkStep(step: bigint, range: bigint, { maxIntervals }: GridRules): void {
  const max = BigInt(maxIntervals > 0 ? Math.min(maxIntervals, MAX_INTERVALS) : MAX_INTERVALS);
  if (step > 0n && range / step <= max) return;
  const least = range === 0n ? 1n : (range + max - 1n) / max;
  throw new PintailError(
    "invalid",
    `step of ${formatDuration(step)} is too small, minimum step for given range is ${formatDuration(least)}`,
  );
}

function checkDuration(range: bigint, { maxDurationMs }: Pick<GridRules, "maxDurationMs">): void {
  if (maxDurationMs <= 0 || range <= BigInt(maxDurationMs) * MS_NANOS) return;
  throw new PintailError(
    "invalid",
    `metrics query time range exceeds the maximum allowed duration of ${formatDuration(BigInt(maxDurationMs) * MS_NANOS)}`,
  );
}

/** Points of a graph whose step is not given. */
const AUTO_POINTS = 240n;
const SHORT_UNIT = 50n * MS_NANOS;
const UNITS = [3600n, 300n, 60n, 15n, 5n, 1n].map((seconds) => seconds * SECOND_NANOS);

/** About 240 steps of a round length; at least 50 ms, from a minute of range on at least 1 s. */
export function autoStep(range: bigint): bigint {
  const wanted = range / AUTO_POINTS;
  if (range < 60n * SECOND_NANOS) {
    return wanted > SHORT_UNIT ? (wanted / SHORT_UNIT) * SHORT_UNIT : SHORT_UNIT;
  }
  const unit = UNITS.find((each) => wanted > each);
  return unit === undefined ? SECOND_NANOS : (wanted / unit) * unit;
}

/** The bucket that a time is in, for one outside of the grid that next to it; there is one at least. */
export function bucketAt(grid: MetricsGrid, unixNano: bigint): number {
  const { startUnixNano, stepNanos, count } = grid;
  if (unixNano <= startUnixNano) return 0;
  const bucket = (unixNano - startUnixNano - 1n) / stepNanos;
  return bucket < BigInt(count) ? Number(bucket) : count - 1;
}

/** First of the buckets that lie wholly after `unixNano`; `count` when none does. */
export function firstFinalBucket(grid: MetricsGrid, unixNano: bigint): number {
  const { startUnixNano, stepNanos, count } = grid;
  if (unixNano <= startUnixNano) return 0;
  const bucket = (unixNano - startUnixNano + stepNanos - 1n) / stepNanos;
  return bucket < BigInt(count) ? Number(bucket) : count;
}
