import type { QueryLimits, QuerySettings } from "../settings.ts";
import { compileMetrics } from "./compile-metrics.ts";
import { instantGrid, rangeGrid } from "./grid.ts";
import { exemplarLimit, type InstantRequest, type RangeRequest } from "./query-metrics.ts";

/** What a request of any protocol says. */
export type RangeQuery = {
  readonly query: string;
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  /** Absent: chosen by the length of the range. */
  readonly stepNanos: bigint | undefined;
  /** 0 = the default. */
  readonly exemplars: number;
  /** 0 = no limit of the request's own. */
  readonly maxSeries: number;
};
export type InstantQuery = Pick<RangeQuery, "query" | "startUnixNano" | "endUnixNano">;

export type MetricsRules = {
  readonly nowMs: number;
  readonly settings: QuerySettings;
  readonly limits: Pick<QueryLimits, "maxMetricsDurationMs">;
};

/** Throws `invalid` in Tempo's words for a query or a range that is not accepted. */
export function rangeRequest(
  query: RangeQuery,
  { nowMs, settings, limits }: MetricsRules,
): Pick<RangeRequest, "query" | "grid" | "exemplarLimit" | "maxSeries"> {
  const grid = rangeGrid(query, {
    nowMs,
    endCutoffMs: settings.queryEndCutoffMs,
    maxDurationMs: limits.maxMetricsDurationMs,
    maxIntervals: settings.maxMetricsIntervals,
  });
  const { maxQueryBytes, maxMetricsExemplars, maxMetricsSeries } = settings;
  const compiled = compileMetrics(query.query, { maxQueryBytes, instant: false });
  const wanted = query.maxSeries;
  return {
    query: compiled,
    grid,
    exemplarLimit: exemplarLimit(compiled.hints, query.exemplars, maxMetricsExemplars),
    maxSeries:
      wanted > 0 && maxMetricsSeries > 0
        ? Math.min(wanted, maxMetricsSeries)
        : wanted || maxMetricsSeries,
  };
}

/** As `rangeRequest`. */
export function instantRequest(
  query: InstantQuery,
  { settings, limits }: MetricsRules,
): Pick<InstantRequest, "query" | "grid" | "maxSeries"> {
  const grid = instantGrid(query, { maxDurationMs: limits.maxMetricsDurationMs });
  const { maxQueryBytes, maxMetricsSeries } = settings;
  return {
    query: compileMetrics(query.query, { maxQueryBytes, instant: true }),
    grid,
    maxSeries: maxMetricsSeries,
  };
}
