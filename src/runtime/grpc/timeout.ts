const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Longer waits overflow timers. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Milliseconds of a `grpc-timeout`; undefined when absent, NaN when it is not one. */
export function parseGrpcTimeout(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(value);
  if (match === null) return Number.NaN;
  const ms = Number(match[1]) * (UNIT_MS[match[2] as string] as number);
  return Math.min(Math.ceil(ms), MAX_TIMER_MS);
}
