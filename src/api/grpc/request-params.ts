import type {
  QueryInstantRequest,
  QueryRangeRequest,
  SearchRequest,
  SearchTagsRequest,
  SearchTagValuesRequest,
} from "../../../gen/tempopb/tempo_pb.ts";
import type { InstantQuery, RangeQuery } from "../../query/metrics/metrics-request.ts";

/** Times are nanoseconds; an instant that is absent is refused as Tempo does: "start required". */
export function rangeQuery(message: QueryRangeRequest): RangeQuery {
  const { query, start, end, step, exemplars, maxSeries } = message;
  return {
    query,
    startUnixNano: start,
    endUnixNano: end,
    stepNanos: step === 0n ? undefined : step,
    exemplars,
    maxSeries,
  };
}

export function instantQuery({ query, start, end }: QueryInstantRequest): InstantQuery {
  return { query, startUnixNano: start, endUnixNano: end };
}

/*
 * The other messages as parameters of the HTTP routes, so that both ask, check and refuse alike. 0 and ""
 * stand for an absent field, as in every proto3 message.
 */

export function searchParams(message: SearchRequest): URLSearchParams {
  const params = new URLSearchParams();
  put(params, "q", message.Query);
  put(params, "tags", logfmt(message.Tags));
  put(params, "minDuration", milliseconds(message.MinDurationMs));
  put(params, "maxDuration", milliseconds(message.MaxDurationMs));
  put(params, "limit", message.Limit);
  put(params, "spss", message.SpansPerSpanSet);
  put(params, "start", message.start);
  put(params, "end", message.end);
  return params;
}

export function tagsParams(message: SearchTagsRequest): URLSearchParams {
  const params = new URLSearchParams();
  put(params, "scope", message.scope);
  put(params, "q", message.query);
  put(params, "limit", message.maxTagsPerScope);
  put(params, "start", message.start);
  put(params, "end", message.end);
  return params;
}

export function tagValuesParams(message: SearchTagValuesRequest): URLSearchParams {
  const params = new URLSearchParams();
  put(params, "q", message.query);
  put(params, "limit", message.maxTagValues);
  put(params, "start", message.start);
  put(params, "end", message.end);
  return params;
}

function put(params: URLSearchParams, name: string, value: string | number): void {
  if (value !== "" && value !== 0) params.set(name, String(value));
}

function milliseconds(value: number): string {
  return value === 0 ? "" : `${value}ms`;
}

/** Keys that logfmt cannot hold are refused where it is parsed. */
function logfmt(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join(" ");
}
