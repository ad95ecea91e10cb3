import { PintailError } from "../../errors.ts";
import type { CompiledSearch } from "../compiled-search.ts";
import type { QueryEngine } from "../query-context.ts";
import { searchTraces } from "../search.ts";
import type { FoundTrace } from "../search-result.ts";
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

/** Traces that one search looks for. */
const PAGE_TRACES = 1000;
/** A search that begins at an instant finds those again that start at it and were given. */
const MAX_AT_ONE_INSTANT = 200_000;
/** Ids that are remembered; see `Given`. */
const REMEMBERED_TRACES = 100_000;

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
    for await (const page of pagesOf(engine, { tenant, search, range, signal }, () => left)) {
      const traces = page.slice(0, left);
      left -= traces.length;
      yield* readTraces(engine, { tenant, traces, signal });
      if (left === 0) return;
    }
  }
}

type PagesRequest = Omit<ExportRequest, "tenants" | "limit"> & {
  readonly tenant: string;
  readonly search: CompiledSearch;
};

async function* pagesOf(
  engine: QueryEngine,
  { tenant, search, range, signal }: PagesRequest,
  wanted: () => number,
): AsyncGenerator<readonly FoundTrace[], void, void> {
  const given = new Given();
  let from = range;
  let again = 0;
  for (;;) {
    const limit = Math.min(PAGE_TRACES, wanted()) + again;
    const { traces } = await searchTraces(engine, {
      ...{ tenants: [tenant], search, range: from, limit, signal },
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
