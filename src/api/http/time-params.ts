import { PintailError } from "../../errors.ts";
import { minOf } from "../../query/bigint-bounds.ts";
import type { QuerySettings } from "../../query/settings.ts";
import type { TimeRange } from "../../query/time-range.ts";
import { formatDuration } from "../../traceql/duration.ts";
import { parseUint, quoted } from "./go-numbers.ts";

const SECOND_NANOS = 1_000_000_000n;
const MS_NANOS = 1_000_000n;
const MAX_UINT32 = 2n ** 32n - 1n;
/** What a search of a future range looks at instead. */
const RECENT_NANOS = 900n * SECOND_NANOS;

export type TimeRules = {
  readonly nowMs: number;
  readonly settings: Pick<QuerySettings, "queryEndCutoffMs">;
  /** Longest range, 0 = off. */
  readonly maxDurationMs: number;
};

/**
 * `start`, `end` (whole Unix seconds) and `since` of a search. No parameter = no range: all data is
 * searched, newest first. Throws `invalid` with Tempo's texts, some of which Grafana looks for.
 */
export function searchRange(params: URLSearchParams, rules: TimeRules): TimeRange | undefined {
  const start = secondsParam(params, "start");
  const end = secondsParam(params, "end");
  const since = sinceParam(params);
  if (start === 0n && end === 0n) return since === undefined ? undefined : rangeSince(since, rules);
  if (start === 0n) {
    throw new PintailError(
      "invalid",
      "error parsing date range: only one of start and end provided: must provide both or neither",
    );
  }
  if (end <= start) throw startNotBeforeEnd(start, end);
  const range = clampEnd(
    { startUnixNano: start * SECOND_NANOS, endUnixNano: end * SECOND_NANOS },
    rules,
  );
  checkLength(range, rules, start, end);
  return range;
}

function secondsParam(params: URLSearchParams, name: string): bigint {
  const text = params.get(name);
  return text === null || text === "" ? 0n : parseUint(name, text, MAX_UINT32);
}

export function startNotBeforeEnd(start: bigint, end: bigint): PintailError {
  return new PintailError(
    "invalid",
    `http parameter start must be before end. received start=${start} end=${end}`,
  );
}

/**
 * `start`, `end` and `since` of a tags query: seconds, nanoseconds, fractions of seconds or RFC
 * 3339, both or neither.
 */
export function tagsRange(params: URLSearchParams, rules: TimeRules): TimeRange | undefined {
  const start = instantParam(params, "start");
  const end = instantParam(params, "end");
  const since = sinceParam(params);
  if (start === undefined && end === undefined)
    return since === undefined ? undefined : rangeSince(since, rules);
  if (start === undefined || end === undefined) {
    throw new PintailError(
      "invalid",
      "error parsing date range: only one of start and end provided: must provide both or neither",
    );
  }
  const received = [start / SECOND_NANOS, end / SECOND_NANOS] as const;
  // Tempo subtracts unsigned numbers, so a negative length is a very large one.
  if (start > end) throw tooLong(rules.maxDurationMs, ...received);
  const range = clampEnd({ startUnixNano: start, endUnixNano: end }, rules);
  checkLength(range, rules, ...received);
  return range;
}

/** Whole seconds have at most ten digits until the year 2286. */
const MAX_SECONDS_DIGITS = 10;
const MAX_INSTANT = 2n ** 64n - 1n;

function instantParam(params: URLSearchParams, name: string): bigint | undefined {
  const text = params.get(name);
  if (text === null || text === "") return undefined;
  const unixNano = parseInstant(text);
  if (unixNano !== undefined) return unixNano;
  throw new PintailError(
    "invalid",
    `error parsing date range: could not parse '${name}' parameter: ${quoted(text)} is not a valid time`,
  );
}

/**
 * Seconds or, with more than ten digits, nanoseconds since 1970, fractions of seconds, or RFC 3339
 * with up to nine digits of a second. Undefined for anything else.
 */
export function parseInstant(text: string): bigint | undefined {
  if (/^[0-9]{1,20}$/.test(text)) {
    const number = BigInt(text);
    const nanos = text.length <= MAX_SECONDS_DIGITS ? number * SECOND_NANOS : number;
    return nanos > MAX_INSTANT ? undefined : nanos;
  }
  const fraction = /^([0-9]{1,10})\.([0-9]{1,30})$/.exec(text);
  if (fraction !== null) {
    return BigInt(fraction[1] ?? "0") * SECOND_NANOS + nanosOf(fraction[2]);
  }
  const time = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (time === null) return undefined;
  const ms = Date.parse(`${time[1]}${time[3]}`);
  return Number.isFinite(ms) && ms >= 0 ? BigInt(ms) * MS_NANOS + nanosOf(time[2]) : undefined;
}

/** Digits after the point of a second, those beyond nanoseconds cut. */
function nanosOf(digits: string | undefined): bigint {
  return BigInt((digits ?? "").slice(0, 9).padEnd(9, "0"));
}

/** Without a cutoff the range stays as it is: spans of senders whose clocks are ahead are found. */
function clampEnd(range: TimeRange, rules: TimeRules): TimeRange {
  if (rules.settings.queryEndCutoffMs <= 0) return range;
  const endUnixNano = minOf(range.endUnixNano, latestNanos(rules));
  if (range.startUnixNano > endUnixNano)
    return { startUnixNano: endUnixNano - RECENT_NANOS, endUnixNano };
  return { startUnixNano: range.startUnixNano, endUnixNano };
}

function latestNanos({ nowMs, settings }: TimeRules): bigint {
  return BigInt(Math.trunc(nowMs - settings.queryEndCutoffMs)) * MS_NANOS;
}

function rangeSince(sinceNanos: bigint, rules: TimeRules): TimeRange {
  const end = latestNanos(rules);
  const start = end - sinceNanos;
  const range = { startUnixNano: start < 0n ? 0n : start, endUnixNano: end };
  checkLength(range, rules, range.startUnixNano / SECOND_NANOS, end / SECOND_NANOS);
  return range;
}

function checkLength(range: TimeRange, rules: TimeRules, start: bigint, received: bigint): void {
  if (rules.maxDurationMs <= 0) return;
  const maxNanos = BigInt(rules.maxDurationMs) * MS_NANOS;
  // The future does not count: Grafana asks for whole days.
  const latest = latestNanos(rules);
  const end = range.startUnixNano > latest ? range.endUnixNano : minOf(range.endUnixNano, latest);
  if (end - range.startUnixNano > maxNanos) throw tooLong(rules.maxDurationMs, start, received);
}

function tooLong(maxDurationMs: number, start: bigint, end: bigint): PintailError {
  const max = formatDuration(BigInt(maxDurationMs) * MS_NANOS);
  return new PintailError(
    "invalid",
    `range specified by start and end exceeds ${max}. received start=${start} end=${end}`,
  );
}

const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  y: 365n * 86_400n * SECOND_NANOS,
  w: 7n * 86_400n * SECOND_NANOS,
  d: 86_400n * SECOND_NANOS,
  h: 3_600n * SECOND_NANOS,
  m: 60n * SECOND_NANOS,
  s: SECOND_NANOS,
  ms: MS_NANOS,
};

function sinceParam(params: URLSearchParams): bigint | undefined {
  const text = params.get("since");
  if (text === null || text === "") return undefined;
  const nanos = parsePromDuration(text);
  if (nanos !== undefined) return nanos;
  throw new PintailError(
    "invalid",
    `error parsing date range: could not parse 'since' parameter: not a valid duration string: ${quoted(text)}`,
  );
}

/** Prometheus' durations in nanoseconds: `1h30m`, `7d`, units from large to small, each once. */
export function parsePromDuration(text: string): bigint | undefined {
  const match =
    /^(?:(\d{1,9})y)?(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$/.exec(
      text,
    );
  if (match === null) return undefined;
  let nanos = 0n;
  Object.values(UNIT_NANOS).forEach((unit, i) => {
    nanos += BigInt(match[i + 1] ?? "0") * unit;
  });
  return nanos;
}
