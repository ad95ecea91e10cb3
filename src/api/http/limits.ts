import type { QueryLimits } from "../../query/settings.ts";

/** The limits of a query over several tenants: of each the strictest, where 0 means off. */
export function strictestLimits(all: readonly QueryLimits[]): QueryLimits {
  const [first, ...others] = all;
  if (first === undefined) throw new Error("a query has at least one tenant");
  return others.reduce(
    (a, b) => ({
      defaultSearchLimit: Math.min(a.defaultSearchLimit, b.defaultSearchLimit),
      maxSearchLimit: strictest(a.maxSearchLimit, b.maxSearchLimit),
      defaultSpansPerSpanSet: Math.min(a.defaultSpansPerSpanSet, b.defaultSpansPerSpanSet),
      maxSpansPerSpanSet: strictest(a.maxSpansPerSpanSet, b.maxSpansPerSpanSet),
      maxSearchDurationMs: strictest(a.maxSearchDurationMs, b.maxSearchDurationMs),
      maxMetricsDurationMs: strictest(a.maxMetricsDurationMs, b.maxMetricsDurationMs),
      maxBytesPerTrace: strictest(a.maxBytesPerTrace, b.maxBytesPerTrace),
      maxBytesPerTagValuesQuery: strictest(
        a.maxBytesPerTagValuesQuery,
        b.maxBytesPerTagValuesQuery,
      ),
      maxConditionGroupsPerTagQuery: strictest(
        a.maxConditionGroupsPerTagQuery,
        b.maxConditionGroupsPerTagQuery,
      ),
      leftPadTraceIds: a.leftPadTraceIds || b.leftPadTraceIds,
    }),
    first,
  );
}

function strictest(a: number, b: number): number {
  return a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b);
}
