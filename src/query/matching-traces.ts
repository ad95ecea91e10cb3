import { PintailError } from "../errors.ts";
import type { CompiledSearch } from "./compiled-search.ts";
import type { QueryEngine } from "./query-context.ts";
import { searchTraces } from "./search.ts";
import type { FoundTrace } from "./search-result.ts";
import type { TimeRange } from "./time-range.ts";

export type MatchingRequest = {
  readonly tenant: string;
  readonly search: CompiledSearch;
  readonly range: TimeRange | undefined;
  readonly signal: AbortSignal;
  /** As in `RunOptions`: it queues apart, and takes what the catalog has without a cut of the head. */
  readonly background?: boolean | undefined;
};

export type MatchingTraces = {
  /** 32 hex digits each, newest start first. */
  readonly traceIds: ReadonlySet<string>;
  /** All spans of these traces, also those that do not match. */
  readonly spanCount: number;
  /** There are more traces than were asked for. */
  readonly more: boolean;
};

/** Traces that one search looks for. */
const PAGE_TRACES = 1000;
/** A search that begins at an instant finds those again that start at it and were given. */
const MAX_AT_ONE_INSTANT = 200_000;
/** Ids that are remembered; see `Given`. */
const REMEMBERED_TRACES = 100_000;

/** The newest `maxTraces` traces that match, by id. Throws as a search does. */
export async function matchingTraceIds(
  engine: QueryEngine,
  request: Omit<MatchingRequest, "search"> & {
    /** `undefined`: the query is false for all data. */
    readonly search: CompiledSearch | undefined;
    readonly maxTraces: number;
  },
): Promise<MatchingTraces> {
  const { search, maxTraces } = request;
  const traceIds = new Set<string>();
  let spanCount = 0;
  if (search === undefined) return { traceIds, spanCount, more: false };
  for await (const page of matchingPages(engine, { ...request, search })) {
    for (const trace of page) {
      if (traceIds.has(trace.traceId)) continue;
      if (traceIds.size >= maxTraces) return { traceIds, spanCount, more: true };
      traceIds.add(trace.traceId);
      spanCount += spanCountOf(trace);
    }
  }
  return { traceIds, spanCount, more: false };
}

/**
 * All traces that match, newest first and (nearly always) each once, whatever their number: searched
 * page by page, each over what is older than the page before. Memory is bounded by a page's list.
 * Spans that come in meanwhile may be in it or not. `wanted`: how many more are of interest.
 */
export async function* matchingPages(
  engine: QueryEngine,
  { tenant, search, range, signal, background }: MatchingRequest,
  wanted: () => number = () => Number.POSITIVE_INFINITY,
): AsyncGenerator<readonly FoundTrace[], void, void> {
  const given = new Given();
  let from = range;
  let again = 0;
  for (;;) {
    const limit = Math.min(PAGE_TRACES, wanted()) + again;
    const { traces } = await searchTraces(engine, {
      ...{ tenants: [tenant], search, range: from, limit, signal, background },
      // Which spans match is of no interest.
      spansPerSpanset: 1,
    });
    const fresh = traces.filter(({ traceId }) => given.add(traceId));
    if (fresh.length > 0) yield fresh;
    const last = traces.at(-1);
    if (last === undefined || traces.length < limit) return;
    const { startUnixNano } = last;
    from = { startUnixNano: range?.startUnixNano ?? 0n, endUnixNano: startUnixNano };
    again = traces.filter((trace) => trace.startUnixNano === startUnixNano).length;
    if (again > MAX_AT_ONE_INSTANT) {
      throw new PintailError(
        "invalid",
        `more than ${MAX_AT_ONE_INSTANT} traces start at ${startUnixNano}, narrow the query`,
      );
    }
  }
}

export function spanCountOf({ serviceStats }: FoundTrace): number {
  let count = 0;
  for (const stats of serviceStats?.values() ?? []) count += stats.spanCount;
  return count;
}

/**
 * Which traces were given: a span that comes late makes a trace start earlier, so that a later page
 * finds it again. Only of the last `REMEMBERED_TRACES` to twice as many, which bounds the memory; an
 * older one may be given twice, which reading it again undoes.
 */
class Given {
  #recent = new Set<string>();
  #older = new Set<string>();

  /** False when it was given before. */
  add(traceId: string): boolean {
    if (this.#recent.has(traceId) || this.#older.has(traceId)) return false;
    if (this.#recent.size >= REMEMBERED_TRACES) {
      this.#older = this.#recent;
      this.#recent = new Set();
    }
    this.#recent.add(traceId);
    return true;
  }
}
