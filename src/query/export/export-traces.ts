import type { CompiledSearch } from "../compiled-search.ts";
import { matchingPages } from "../matching-traces.ts";
import type { QueryEngine } from "../query-context.ts";
import type { TimeRange } from "../time-range.ts";
import type { Trace } from "../trace.ts";
import { readTraces } from "./read-traces.ts";

export type ExportRequest = {
  /** One after the other: their traces are not merged. */
  readonly tenants: readonly string[];
  /** `undefined`: the query is false for all data. */
  readonly search: CompiledSearch | undefined;
  readonly range: TimeRange | undefined;
  /** Traces at most, 0 = all. */
  readonly limit: number;
  readonly signal: AbortSignal;
};

/**
 * All traces that match, whole, newest first and each once, whatever their number: searched page by
 * page, each over what is older than the page before. Memory is bounded by a page's list and what
 * `readTraces` holds. Spans that come in meanwhile may be in it or not.
 */
export async function* exportTraces(
  engine: QueryEngine,
  { tenants, search, range, limit, signal }: ExportRequest,
): AsyncGenerator<Trace, void, void> {
  if (search === undefined) return;
  let left = limit > 0 ? limit : Number.POSITIVE_INFINITY;
  for (const tenant of tenants) {
    for await (const page of matchingPages(engine, { tenant, search, range, signal }, () => left)) {
      const traces = page.slice(0, left);
      left -= traces.length;
      yield* readTraces(engine, { tenant, traces, signal });
      if (left === 0) return;
    }
  }
}
