import { PintailError } from "../../errors.ts";
import type { JaegerSearch } from "../jaeger-search.ts";
import { jaegerV3Range, jaegerV3Search } from "../jaeger-v3-search.ts";
import { quoted } from "./go-numbers.ts";
import { goDuration } from "./jaeger-params.ts";
import { tagsOfJson } from "./jaeger-tags.ts";
import { parseInstant } from "./time-params.ts";

/** A parameter by its name in the messages, or as their JSON spells it: `start_time`, `startTime`. */
export function v3Param(params: URLSearchParams, name: string): string {
  const camelCase = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return params.get(name) ?? params.get(camelCase) ?? "";
}

/** The search of `/api/v3/traces`. Throws `invalid`. */
export function v3Search(params: URLSearchParams): JaegerSearch {
  const param = (name: string): string => v3Param(params, `query.${name}`);
  const attributes = param("attributes");
  return jaegerV3Search({
    service: param("service_name"),
    operation: param("operation_name"),
    attributes: attributes === "" ? [] : tagsOfJson("query.attributes", attributes),
    startUnixNano: v3Instant(params, "query.start_time_min"),
    endUnixNano: v3Instant(params, "query.start_time_max"),
    minNanos: goDuration("query.duration_min", param("duration_min")),
    maxNanos: goDuration("query.duration_max", param("duration_max")),
    // Its name before search_depth.
    searchDepth: depthOf(param("search_depth") || param("num_traces")),
    hasFilter: param("filter") !== "",
  });
}

/** Of `/api/v3/dependencies`. Throws `invalid`. */
export function v3Range(params: URLSearchParams): JaegerSearch["range"] {
  return jaegerV3Range("start_time", "end_time", {
    startUnixNano: v3Instant(params, "start_time"),
    endUnixNano: v3Instant(params, "end_time"),
  });
}

/** RFC 3339, or seconds since 1970; absent and empty are undefined. Throws `invalid`. */
export function v3Instant(params: URLSearchParams, name: string): bigint | undefined {
  const text = v3Param(params, name);
  if (text === "") return undefined;
  const unixNano = parseInstant(text);
  if (unixNano !== undefined) return unixNano;
  throw new PintailError("invalid", `malformed parameter ${name}: ${quoted(text)} is no time`);
}

function depthOf(text: string): number {
  if (text === "") return 0;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const message = `malformed parameter query.search_depth: ${quoted(text)} is not a whole number`;
  throw new PintailError("invalid", message);
}
