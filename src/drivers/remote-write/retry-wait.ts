import type { RemoteWriteQueue } from "./settings.ts";

/** However long an endpoint or the settings wish. */
const MAX_WAIT_MS = 300_000;
/** Without a pause, a dead endpoint would take a whole core. */
const MIN_WAIT_MS = 10;

/**
 * Time until the next request after `failures` without success: what the endpoint wishes, else twice
 * as long each time, half of which is jitter, so that tenants do not come back at once.
 */
export function retryWaitMs(
  { minBackoffMs, maxBackoffMs }: RemoteWriteQueue,
  failures: number,
  wishedMs: number | undefined,
  random: () => number,
): number {
  if (wishedMs !== undefined && wishedMs > 0) return Math.min(MAX_WAIT_MS, wishedMs);
  const doubled = Math.max(MIN_WAIT_MS, minBackoffMs) * 2 ** Math.min(failures - 1, 20);
  const full = Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, maxBackoffMs), doubled);
  return (full * (1 + random())) / 2;
}

/** `Retry-After` as a time from now: seconds, or a date. */
export function retryAfterMs(header: string | undefined, nowUnixMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowUnixMs);
}
