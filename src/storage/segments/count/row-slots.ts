/** Steps of time from `startUnixNano` on, of which each holds its end and not its beginning. */
export type CountGrid = {
  readonly startUnixNano: bigint;
  readonly stepNanos: bigint;
  readonly count: number;
};

/** Most rows of a file: each takes 4 bytes. */
export const MAX_ROWS = 1 << 24;
const OUTSIDE = -1;

/** Writes the bucket of each start to `out`, or -1 where it lies outside of the grid. */
export function bucketsInto(
  first: bigint,
  distances: Float64Array,
  grid: CountGrid,
  out: Int32Array,
): void {
  const { startUnixNano, stepNanos, count } = grid;
  const offset = first - startUnixNano - 1n;
  // Whole steps are counted apart, so that all the rest are safe integers as long as steps are.
  const base = floorDivide(offset, stepNanos);
  const rest = Number(offset - base * stepNanos);
  const whole = Number(base);
  const step = Number(stepNanos);
  let farthest = Math.max(step, Math.abs(whole));
  for (let row = 0; row < distances.length; row++) {
    const sum = rest + distances[row]!;
    farthest = Math.max(farthest, Math.abs(sum));
    const bucket = whole + Math.floor(sum / step);
    out[row] = bucket >= 0 && bucket < count ? bucket : OUTSIDE;
  }
  if (Number.isSafeInteger(farthest)) return;
  for (let row = 0; row < distances.length; row++) {
    const bucket = floorDivide(offset + BigInt(distances[row]!), stepNanos);
    out[row] = bucket >= 0n && bucket < count ? Number(bucket) : OUTSIDE;
  }
}

function floorDivide(a: bigint, b: bigint): bigint {
  return a >= 0n ? a / b : -((b - 1n - a) / b);
}

/** Of bitmaps the first row is the highest bit of the first byte. */
export type RowBitmap = Uint8Array;

/**
 * Where the rows of a group are counted: two places for each bucket, that of the selection second,
 * and behind them one for rows that are not counted.
 */
export type RowSlots = {
  readonly slots: Int32Array;
  readonly firstBucket: number;
  readonly slotCount: number;
};

/**
 * `undefined` when no row is counted. `firstRow` is where the buckets begin in the bitmaps. The
 * buckets of rows that are not included are overwritten.
 */
export function rowSlots(
  buckets: Int32Array,
  firstRow: number,
  included: RowBitmap | undefined,
  selected: RowBitmap | undefined,
): RowSlots | undefined {
  if (included !== undefined) leaveOut(buckets, firstRow, included);
  let least = Number.MAX_SAFE_INTEGER;
  let most = OUTSIDE;
  for (let i = 0; i < buckets.length; i++) {
    const bucket = buckets[i]!;
    if (bucket === OUTSIDE) continue;
    if (bucket < least) least = bucket;
    if (bucket > most) most = bucket;
  }
  if (most === OUTSIDE) return undefined;
  const last = 2 * (most - least + 1);
  const slots = new Int32Array(buckets.length);
  for (let i = 0; i < buckets.length; i++) {
    const bucket = buckets[i]!;
    slots[i] = bucket === OUTSIDE ? last : 2 * (bucket - least);
  }
  if (selected !== undefined) {
    for (let i = 0; i < buckets.length; i++) {
      if (buckets[i] !== OUTSIDE) slots[i]! += bitAt(selected, firstRow + i);
    }
  }
  return { slots, firstBucket: least, slotCount: last + 1 };
}

function leaveOut(buckets: Int32Array, firstRow: number, included: RowBitmap): void {
  for (let i = 0; i < buckets.length; i++) {
    if (bitAt(included, firstRow + i) === 0) buckets[i] = OUTSIDE;
  }
}

/** 0 behind the bitmap's end. */
function bitAt(bitmap: RowBitmap, row: number): number {
  return (bitmap[row >>> 3]! >>> (7 - (row & 7))) & 1;
}
