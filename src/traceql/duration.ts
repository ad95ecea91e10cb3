import { INT64_MAX } from "./words.ts";

const NANOS_PER_UNIT: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
  ["d", 86_400_000_000_000n],
  ["w", 604_800_000_000_000n],
  ["y", 31_536_000_000_000_000n],
]);

/** Units of the long form, largest first. */
const LONG_UNITS = ["y", "w", "d", "h", "m", "s", "ms"];

/** A duration literal's nanoseconds; undefined when `text` is none, or one beyond int64. */
export function parseDuration(text: string): bigint | undefined {
  return parseLongDuration(text) ?? parseGoDuration(text);
}

/** Integers with units, each unit once, largest first: `1d12h`. */
function parseLongDuration(text: string): bigint | undefined {
  const part = /([0-9]+)(ms|[ywdhms])/y;
  let total = 0n;
  let rank = -1;
  let at = 0;
  while (at < text.length) {
    part.lastIndex = at;
    const match = part.exec(text);
    if (match === null) return undefined;
    const next = LONG_UNITS.indexOf(match[2]!);
    if (next <= rank || match[1]!.length > 20) return undefined;
    rank = next;
    total += BigInt(match[1]!) * NANOS_PER_UNIT.get(match[2]!)!;
    at = part.lastIndex;
  }
  return text === "" || total > INT64_MAX ? undefined : total;
}

/**
 * Decimals with units in any order, repeats allowed: `1.5h3ms`. Source: Go's `time.ParseDuration`,
 * here without a sign. Digits beyond a nanosecond are cut.
 */
export function parseGoDuration(text: string): bigint | undefined {
  const part = /([0-9]*)(?:\.([0-9]*))?(ns|us|µs|ms|[smh])/y;
  let total = 0n;
  let at = 0;
  while (at < text.length) {
    part.lastIndex = at;
    const match = part.exec(text);
    if (match === null) return undefined;
    const [, whole = "", fraction = "", unit = ""] = match;
    if (whole === "" && fraction === "") return undefined;
    if (whole.length > 20) return undefined;
    const nanos = NANOS_PER_UNIT.get(unit)!;
    total += BigInt(whole === "" ? "0" : whole) * nanos;
    const digits = fraction.slice(0, 18);
    if (digits !== "") total += (BigInt(digits) * nanos) / 10n ** BigInt(digits.length);
    if (total > INT64_MAX) return undefined;
    at = part.lastIndex;
  }
  return text === "" ? undefined : total;
}

/** Go's text of a duration: `0s`, `1.5ms`, `1m30s`, `1h0m0s`. */
export function formatDuration(nanos: bigint): string {
  if (nanos === 0n) return "0s";
  const sign = nanos < 0n ? "-" : "";
  const n = nanos < 0n ? -nanos : nanos;
  if (n < 1_000n) return `${sign}${n}ns`;
  if (n < 1_000_000n) return `${sign}${decimal(n, 3)}µs`;
  if (n < 1_000_000_000n) return `${sign}${decimal(n, 6)}ms`;
  const minutes = n / 60_000_000_000n;
  const seconds = decimal(n % 60_000_000_000n, 9);
  if (minutes === 0n) return `${sign}${seconds}s`;
  if (minutes < 60n) return `${sign}${minutes}m${seconds}s`;
  return `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}s`;
}

/** `n / 10^places` without trailing zeros. */
function decimal(n: bigint, places: number): string {
  const text = n.toString().padStart(places + 1, "0");
  const fraction = text.slice(-places).replace(/0+$/, "");
  const whole = text.slice(0, -places);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
