import { PintailError } from "../../errors.ts";
import { minOf } from "../../query/bigint-bounds.ts";
import type { InstantQuery, RangeQuery } from "../../query/metrics/metrics-request.ts";
import { parseGoDuration } from "../../traceql/duration.ts";
import { quoted } from "./go-numbers.ts";
import { parseInstant, parsePromDuration } from "./time-params.ts";

const SECOND_NANOS = 1_000_000_000n;
const HOUR_NANOS = 3_600n * SECOND_NANOS;
const MS_NANOS = 1_000_000n;

/** Parameters of a range query. Throws `invalid` in Tempo's words, the odd prefix included. */
export function rangeParams(params: URLSearchParams, nowMs: number): RangeQuery {
  return {
    ...instantParams(params, nowMs),
    stepNanos: stepParam(params),
    exemplars: countParam(params, "exemplars"),
    maxSeries: countParam(params, "maxSeries"),
  };
}

/** Parameters of an instant query. */
export function instantParams(params: URLSearchParams, nowMs: number): InstantQuery {
  const now = BigInt(Math.trunc(nowMs)) * MS_NANOS;
  const since = sinceParam(params) ?? HOUR_NANOS;
  const endUnixNano = timeParam(params, "end") ?? now;
  const latest = minOf(endUnixNano, now);
  const startUnixNano = timeParam(params, "start") ?? (latest > since ? latest - since : 1n);
  return { query: params.get("q") || params.get("query") || "", startUnixNano, endUnixNano };
}

function timeParam(params: URLSearchParams, name: string): bigint | undefined {
  const text = params.get(name);
  if (text === null || text === "") return undefined;
  const unixNano = parseInstant(text);
  if (unixNano !== undefined) return unixNano;
  throw badRequest(`could not parse '${name}' parameter: ${quoted(text)} is not a valid time`);
}

function sinceParam(params: URLSearchParams): bigint | undefined {
  const text = params.get("since");
  if (text === null || text === "") return undefined;
  const nanos = parsePromDuration(text);
  if (nanos !== undefined) return nanos;
  throw badRequest(
    `could not parse 'since' parameter: not a valid duration string: ${quoted(text)}`,
  );
}

/** What the step of a range can be in nanoseconds: as int64. */
const MAX_STEP_SECONDS = 2 ** 63 / 1e9;

/** A number of seconds, or a duration with units. */
function stepParam(params: URLSearchParams): bigint | undefined {
  const text = params.get("step");
  if (text === null || text === "") return undefined;
  if (/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(text)) {
    const seconds = Number(text);
    if (Math.abs(seconds) < MAX_STEP_SECONDS) return BigInt(Math.trunc(seconds * 1e9));
  }
  const negative = text.startsWith("-");
  const nanos = text === "0" ? 0n : parseGoDuration(text.replace(/^[+-]/, ""));
  if (nanos === undefined) throw badRequest(`cannot parse ${quoted(text)} to a valid duration`);
  return negative ? -nanos : nanos;
}

const MAX_UINT32 = 2 ** 32 - 1;

/** 0 for what is no such number: Tempo passes over it. */
function countParam(params: URLSearchParams, name: string): number {
  const text = params.get(name) ?? "";
  if (!/^[0-9]{1,10}$/.test(text)) return 0;
  const count = Number(text);
  return count <= MAX_UINT32 ? count : 0;
}

function badRequest(detail: string): PintailError {
  return new PintailError("invalid", `rpc error: code = Code(400) desc = ${detail}`);
}
