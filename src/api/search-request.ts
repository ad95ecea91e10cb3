import { PintailError } from "../errors.ts";
import { compileLegacySearch } from "../query/compile-legacy-search.ts";
import { compileSearch } from "../query/compile-search.ts";
import type { CompiledSearch } from "../query/compiled-search.ts";
import type { QueryContext } from "../query/query-context.ts";
import type { SearchRequest } from "../query/search.ts";
import type { QueryLimits } from "../query/settings.ts";
import { parseGoDuration } from "../traceql/duration.ts";
import { parseUint, quoted } from "./http/go-numbers.ts";
import { strictestLimits } from "./http/limits.ts";
import { searchRange } from "./http/time-params.ts";

/** A search as checked; `limits` are also those of its answer. */
export type CheckedSearch = {
  readonly request: SearchRequest;
  readonly limits: QueryLimits;
};

/**
 * The parameters of `/api/search` as a bounded request: TraceQL (`q`), legacy tags (`tags`), or all
 * traces of the range. Throws `invalid` with Tempo's texts.
 */
export function searchRequest(
  context: QueryContext,
  params: URLSearchParams,
  tenants: readonly string[],
): CheckedSearch {
  const { settings, limitsFor, nowMs } = context;
  const limits = strictestLimits(tenants.map((tenant) => limitsFor(tenant)));
  const range = searchRange(params, {
    nowMs: nowMs(),
    settings,
    maxDurationMs: limits.maxSearchDurationMs,
  });
  const search = searchOf(params, settings.maxQueryBytes);
  const limit = limitParam(params, limits);
  const spansPerSpanset = spansParam(params, limits);
  return { request: { tenants, search, range, limit, spansPerSpanset }, limits };
}
function searchOf(params: URLSearchParams, maxQueryBytes: number): CompiledSearch | undefined {
  const query = params.get("q") ?? "";
  const tags = params.get("tags") ?? "";
  if (query !== "") {
    if (tags !== "") {
      throw new PintailError(
        "invalid",
        "invalid request: can't specify tags and q in the same query",
      );
    }
    return compileSearch(query, maxQueryBytes);
  }
  const minNanos = durationParam(params, "minDuration");
  const maxNanos = durationParam(params, "maxDuration");
  if (minNanos !== undefined && maxNanos !== undefined && maxNanos < minNanos)
    throw new PintailError("invalid", "invalid maxDuration: must be greater than minDuration");
  return compileLegacySearch(tags, { minNanos, maxNanos });
}

const MS_NANOS = 1_000_000n;

/** Whole milliseconds, as Tempo keeps them; 0 and absent are the same. */
function durationParam(params: URLSearchParams, name: string): bigint | undefined {
  const text = params.get(name);
  if (text === null || text === "" || text === "0") return undefined;
  const nanos = parseGoDuration(text.startsWith("+") ? text.slice(1) : text);
  if (nanos === undefined) {
    const reason = /^[0-9]+(\.[0-9]*)?$/.test(text)
      ? "missing unit in duration"
      : "invalid duration";
    throw new PintailError("invalid", `invalid ${name}: time: ${reason} ${quoted(text)}`);
  }
  const whole = (nanos / MS_NANOS) * MS_NANOS;
  return whole === 0n ? undefined : whole;
}

const MAX_UINT32 = 2n ** 32n - 1n;

function limitParam(params: URLSearchParams, limits: QueryLimits): number {
  const text = params.get("limit");
  if (text === null || text === "") return limits.defaultSearchLimit;
  const limit = Number(parseUint("limit", text, MAX_UINT32));
  if (limit === 0) throw new PintailError("invalid", "invalid limit: must be a positive number");
  if (limits.maxSearchLimit > 0 && limit > limits.maxSearchLimit) {
    throw new PintailError("invalid", `limit ${limit} exceeds max limit ${limits.maxSearchLimit}`);
  }
  return limit;
}

/** 0 asks for all, which is what the server's maximum allows. */
function spansParam(params: URLSearchParams, limits: QueryLimits): number {
  const text = params.get("spss");
  if (text === null || text === "") return limits.defaultSpansPerSpanSet;
  const spans = Number(parseUint("spss", text, MAX_UINT32));
  const max = limits.maxSpansPerSpanSet;
  if (max > 0 && spans > max) {
    throw new PintailError("invalid", `spans per span set exceeds ${max}. received ${spans}`);
  }
  return spans === 0 ? max : spans;
}
