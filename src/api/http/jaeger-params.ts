import { PintailError } from "../../errors.ts";
import type { TimeRange } from "../../query/time-range.ts";
import { parseDuration, parseGoDuration } from "../../traceql/duration.ts";
import { type JaegerSearch, LOOKBACK_MS } from "../jaeger-search.ts";
import { quoted } from "./go-numbers.ts";
import { jaegerTagParams } from "./jaeger-tags.ts";
import { parseTraceId } from "./trace-id-param.ts";

const MICRO_NANOS = 1000n;
const MS_NANOS = 1_000_000n;
/** Of Jaeger's server. */
const DEPENDENCIES_LOOKBACK_MS = 86_400_000n;
/** Ids in one request. */
const MAX_IDS = 1000;

/** What `/api/traces` asks for: traces by their ids, or a search. */
export type TracesQuestion =
  | { readonly type: "ids"; readonly traceIds: readonly Uint8Array[] }
  | { readonly type: "search"; readonly search: JaegerSearch };

/** Throws `invalid` with Jaeger's texts. */
export function tracesQuestion(params: URLSearchParams, nowMs: number): TracesQuestion {
  const ids = params.getAll("traceID");
  if (ids.length > MAX_IDS) {
    throw new PintailError("invalid", `traceID names more than ${MAX_IDS} traces`);
  }
  if (ids.length > 0) return { type: "ids", traceIds: ids.map((id) => parseTraceId(id)) };
  const service = requiredService(params);
  const [minNanos, maxNanos] = durationBounds(
    goDuration("minDuration", params.get("minDuration")),
    goDuration("maxDuration", params.get("maxDuration")),
  );
  const limit = wholeNumber(params, "limit");
  const search = {
    service,
    operation: params.get("operation") ?? "",
    tags: jaegerTagParams(params),
    range: microsRange(params, nowMs),
    minNanos,
    maxNanos,
    limit: limit === undefined ? undefined : Number(limit),
  };
  return { type: "search", search };
}

/** 0 is no bound, as in Jaeger. */
export function durationBounds(
  min: bigint | undefined,
  max: bigint | undefined,
): [bigint | undefined, bigint | undefined] {
  const [minNanos, maxNanos] = [min || undefined, max || undefined];
  if (minNanos !== undefined && maxNanos !== undefined && maxNanos < minNanos) {
    throw new PintailError("invalid", "'maxDuration' should be greater than 'minDuration'");
  }
  return [minNanos, maxNanos];
}

/** Nanoseconds of Go's text of a duration; absent and empty are undefined. Throws `invalid`. */
export function goDuration(name: string, text: string | null): bigint | undefined {
  if (text === null || text === "") return undefined;
  if (text === "0") return 0n;
  const nanos = parseGoDuration(text);
  if (nanos !== undefined) return nanos;
  throw unparsed(name, `invalid duration ${quoted(text)}`);
}

export function requiredService(params: URLSearchParams): string {
  const service = params.get("service") ?? "";
  if (service === "") throw new PintailError("invalid", "parameter 'service' is required");
  return service;
}

/** `start` and `end` in microseconds; `lookback`, as Jaeger's UI names it, counts without a start. */
function microsRange(params: URLSearchParams, nowMs: number): TimeRange {
  const end = wholeNumber(params, "end");
  const start = wholeNumber(params, "start");
  const endUnixNano = end === undefined ? BigInt(Math.trunc(nowMs)) * MS_NANOS : end * MICRO_NANOS;
  const lookback = lookbackNanos(params);
  const startUnixNano = start === undefined ? endUnixNano - lookback : start * MICRO_NANOS;
  return { startUnixNano: startUnixNano < 0n ? 0n : startUnixNano, endUnixNano };
}

/** `custom` is what the UI says when it gives the start itself. */
function lookbackNanos(params: URLSearchParams): bigint {
  const text = params.get("lookback") ?? "";
  if (text === "" || text === "custom") return BigInt(LOOKBACK_MS) * MS_NANOS;
  const nanos = parseDuration(text);
  if (nanos !== undefined) return nanos;
  throw unparsed("lookback", `invalid duration ${quoted(text)}`);
}

/** `endTs` and `lookback` of `/api/dependencies`, in milliseconds. */
export function dependenciesRange(params: URLSearchParams, nowMs: number): TimeRange {
  const endMs = wholeNumber(params, "endTs") ?? BigInt(Math.trunc(nowMs));
  const startMs = endMs - (wholeNumber(params, "lookback") ?? DEPENDENCIES_LOOKBACK_MS);
  return {
    startUnixNano: (startMs < 0n ? 0n : startMs) * MS_NANOS,
    endUnixNano: endMs * MS_NANOS,
  };
}

/** No more than nanoseconds since 1970 have room for. */
const WHOLE_NUMBER = /^\d{1,16}$/;
const MAX_MICROS = 2n ** 63n / MICRO_NANOS;

function wholeNumber(params: URLSearchParams, name: string): bigint | undefined {
  const text = params.get(name);
  if (text === null || text === "") return undefined;
  if (WHOLE_NUMBER.test(text) && BigInt(text) < MAX_MICROS) return BigInt(text);
  throw unparsed(name, `${quoted(text)} is not a whole number`);
}

function unparsed(name: string, reason: string): PintailError {
  return new PintailError("invalid", `unable to parse param '${name}': ${reason}`);
}
