import { compileSearch } from "../../src/query/compile-search.ts";
import { searchTraces } from "../../src/query/search.ts";
import type { FoundTrace } from "../../src/query/search-result.ts";
import type { SegmentStore } from "../query/segment-store.ts";
import { spanIdOf } from "../support/batch-builder.ts";
import { attributeText } from "./answer-text.ts";
import { type ExpectedTrace, sortedSpansets } from "./oracle/search.ts";

export const MAX_QUERY_BYTES = 131_072;

/** The engine's answer to a search, in the shape of the oracle's. */
export async function engineSearch(
  store: SegmentStore,
  query: string,
  options: { limit: number; spansPerSpanset: number },
): Promise<ExpectedTrace[]> {
  const result = await searchTraces(store.engine(), {
    tenants: ["single-tenant"],
    search: compileSearch(query, MAX_QUERY_BYTES),
    range: undefined,
    // Few, so that a search goes over several slices of the little that there is.
    firstSliceRows: 20,
    ...options,
  });
  return result.traces.map(traceShown);
}

function traceShown(trace: FoundTrace): ExpectedTrace {
  return {
    traceId: trace.traceId,
    rootServiceName: trace.rootServiceName,
    rootSpanName: trace.rootSpanName,
    startUnixNano: trace.startUnixNano,
    durationNanos: trace.durationNanos,
    spansets: sortedSpansets(
      (trace.spansets ?? []).map(({ matchedCount, attributes, spans }) => ({
        matchedCount,
        attributes: attributes.map(({ key, value }) => attributeText(key, value)),
        spans: spans.map((span) => ({
          spanId: spanIdOf(span.spanId),
          name: span.name,
          startUnixNano: span.startUnixNano,
          durationNanos: span.durationNanos,
          attributes: span.attributes.map(({ key, value }) => attributeText(key, value)).sort(),
        })),
      })),
    ),
    serviceStats: [...(trace.serviceStats ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}
