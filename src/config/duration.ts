const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, micro sign
  μs: 1e-3, // U+03BC, Greek mu
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
};

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w|y)/y;
const BARE_INTEGER = /^\d+$/;

/** Go's own durations end at 292 years; a longer one is a mistake. */
const MAX_DURATION_MS = 292 * 365 * 86_400_000;
const MAX_TEXT_LENGTH = 100;

/**
 * A Go duration (`1h30m`, `1.5h`) in milliseconds, fractions kept; `d`, `w` and `y` are accepted
 * too. A bare integer counts nanoseconds, as in a Go YAML file. `undefined` when `text` is none,
 * is negative, or is beyond 292 years.
 */
export function parseGoDuration(text: string): number | undefined {
  if (BARE_INTEGER.test(text)) return bounded(Number(text) * 1e-6);
  return parseUnits(text);
}

/** A Prometheus duration (`1d12h`, `0`) in milliseconds; a bare integer other than 0 is an error. */
export function parsePrometheusDuration(text: string): number | undefined {
  if (text === "0") return 0;
  return parseUnits(text);
}

function parseUnits(text: string): number | undefined {
  const from = text.startsWith("+") ? 1 : 0;
  if (text.length === from || text.length > MAX_TEXT_LENGTH) return undefined;
  let ms = 0;
  PART.lastIndex = from;
  while (PART.lastIndex < text.length) {
    const part = PART.exec(text);
    if (part === null) return undefined;
    ms += Number(part[1]) * (UNIT_MS[part[2] ?? ""] ?? Number.NaN);
  }
  PART.lastIndex = 0;
  return bounded(ms);
}

function bounded(ms: number): number | undefined {
  return ms <= MAX_DURATION_MS ? ms : undefined;
}
