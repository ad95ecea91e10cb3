import type { QueryEngine } from "../../query/query-context.ts";
import { type SearchRequest, searchTraces } from "../../query/search.ts";
import type { SearchResult } from "../../query/search-result.ts";
import { type Update, updates } from "./updates.ts";

/** A search as it goes on: partial results hold only new traces, the result holds all again. */
export function searchUpdates(
  engine: QueryEngine,
  request: SearchRequest,
  signal: AbortSignal,
): AsyncGenerator<Update<SearchResult, SearchResult>, void, void> {
  return updates<SearchResult, SearchResult>(
    (onPartial, signal) => searchTraces(engine, { ...request, signal, onPartial }),
    {
      merge: (earlier, later) => ({
        traces: [...earlier.traces, ...later.traces],
        stats: later.stats,
      }),
      hasContent: ({ traces }) => traces.length > 0,
      signal,
    },
  );
}
