import { maxOf, minOf } from "./bigint-bounds.ts";
import type { FoundSpanset, FoundTrace, SearchResult, ServiceStats } from "./search-result.ts";
import { compareTraces } from "./trace-key.ts";

/**
 * One answer of those of several tenants. A trace id that several tenants use becomes one trace:
 * first known root, earliest start, longest duration, the larger counts, each spanset once.
 */
export function mergeTenants(results: readonly SearchResult[], limit: number): SearchResult {
  const traces = new Map<string, FoundTrace>();
  const stats = {
    segmentCount: 0,
    segmentBytes: 0,
    inspectedBytes: 0,
    inspectedSpanCount: 0,
    totalJobs: 0,
    completedJobs: 0,
  };
  for (const result of results) {
    for (const trace of result.traces) {
      const known = traces.get(trace.traceId);
      traces.set(trace.traceId, known === undefined ? trace : mergeTraces(known, trace));
    }
    stats.segmentCount += result.stats.segmentCount;
    stats.segmentBytes += result.stats.segmentBytes;
    stats.inspectedBytes += result.stats.inspectedBytes;
    stats.inspectedSpanCount += result.stats.inspectedSpanCount;
    stats.totalJobs += result.stats.totalJobs;
    stats.completedJobs += result.stats.completedJobs;
  }
  return { traces: [...traces.values()].sort(compareTraces).slice(0, limit), stats };
}

function mergeTraces(a: FoundTrace, b: FoundTrace): FoundTrace {
  return {
    traceId: a.traceId,
    rootServiceName: a.rootServiceName || b.rootServiceName,
    rootSpanName: a.rootSpanName || b.rootSpanName,
    startUnixNano: minOf(a.startUnixNano, b.startUnixNano),
    durationNanos: maxOf(a.durationNanos, b.durationNanos),
    spansets: mergeSpansets(a.spansets, b.spansets),
    serviceStats: mergeStats(a.serviceStats, b.serviceStats),
  };
}

/** Spansets of equal `by()` values are one: the larger of them. */
function mergeSpansets(
  a: readonly FoundSpanset[] | undefined,
  b: readonly FoundSpanset[] | undefined,
): readonly FoundSpanset[] | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const merged = new Map<string, FoundSpanset>();
  for (const spanset of [...a, ...b]) {
    const group = JSON.stringify(spanset.attributes.filter(({ key }) => key.startsWith("by(")));
    const known = merged.get(group);
    if (known === undefined || spanset.matchedCount > known.matchedCount) {
      merged.set(group, spanset);
    }
  }
  return [...merged.values()];
}

function mergeStats(
  a: FoundTrace["serviceStats"],
  b: FoundTrace["serviceStats"],
): FoundTrace["serviceStats"] {
  if (a === undefined || b === undefined) return a ?? b;
  const merged = new Map<string, ServiceStats>(a);
  for (const [service, stats] of b) {
    const known = merged.get(service);
    merged.set(service, {
      spanCount: Math.max(stats.spanCount, known?.spanCount ?? 0),
      errorCount: Math.max(stats.errorCount, known?.errorCount ?? 0),
    });
  }
  return merged;
}
