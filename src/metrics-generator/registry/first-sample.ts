const MINUTE_MS = 60_000;

/** When a series that is new counts as zero, so that its first value is an increase. */
export function firstSampleMs(nowMs: number): number {
  return nowMs - (nowMs % MINUTE_MS) - 1000;
}
