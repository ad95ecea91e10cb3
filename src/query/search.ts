import type { SegmentSummary } from "../schema/segment-meta.ts";
import { findCandidates } from "./candidates/find-candidates.ts";
import { FIRST_SLICE_ROWS } from "./candidates/newest-slices.ts";
import { possibleSegments } from "./candidates/possible-segments.ts";
import type { CompiledSearch } from "./compiled-search.ts";
import { judgeOf } from "./judge-traces.ts";
import { mergeTenants } from "./merge-tenants.ts";
import { namedKeys } from "./named-keys.ts";
import { newestTraces } from "./newest-traces.ts";
import { prepareSegments } from "./prepare-segments.ts";
import type { QueryEngine, QueryRun } from "./query-context.ts";
import type { QueryRecorder } from "./query-recorder.ts";
import { SearchProbe } from "./search-probe.ts";
import type { FoundTrace, SearchResult, SearchStats } from "./search-result.ts";
import { segmentsOverlapping, type TimeRange } from "./time-range.ts";

export type SearchRequest = {
  readonly tenants: readonly string[];
  /** `undefined`: the query is false for all data, nothing is read. */
  readonly search: CompiledSearch | undefined;
  readonly range: TimeRange | undefined;
  readonly limit: number;
  /** Spans shown of each spanset, 0 = all. */
  readonly spansPerSpanset: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Gets traces as soon as they are decided: newest first, each once and as the result has it; often
   * none, then only the figures are new. The search waits for it, on its own time. The result holds
   * all traces again. Of several tenants it gets figures only, since their traces are merged.
   */
  readonly onPartial?: ((partial: SearchResult) => Promise<void>) | undefined;
  readonly recorder?: QueryRecorder | undefined;
  /** Not what a user waits for, see `RunOptions`. */
  readonly background?: boolean | undefined;
  /** How many rows are looked at first where the whole answer may take many more. */
  readonly firstSliceRows?: number | undefined;
};

/** The newest traces that match. The same request over the same data gives the same answer. */
export async function searchTraces(
  engine: QueryEngine,
  request: SearchRequest,
): Promise<SearchResult> {
  const { search, tenants, signal, recorder, background } = request;
  if (search === undefined) return mergeTenants([], request.limit);
  engine.context.recordKeys?.(namedKeys(search.pipeline.fields));
  const timeoutMs = engine.context.settings.searchTimeoutMs;
  // Outlives an attempt: a second one finds again what the first has given.
  const given = new Set<string>();
  return await engine.run({ tenants, signal, timeoutMs, recorder, background }, async (run) => {
    const results: SearchResult[] = [];
    const onPartial = request.onPartial && partialsOf(request.onPartial, tenants, results, given);
    for (const tenant of tenants) {
      results.push(await searchTenant(run, tenant, search, { ...request, onPartial }));
    }
    return mergeTenants(results, request.limit);
  });
}

type OnPartial = NonNullable<SearchRequest["onPartial"]>;

/** Figures are those of all tenants so far; of their traces, those that were not given yet. */
function partialsOf(
  onPartial: OnPartial,
  tenants: readonly string[],
  before: readonly SearchResult[],
  given: Set<string>,
): OnPartial {
  return async ({ traces, stats }) => {
    const fresh = tenants.length > 1 ? [] : traces.filter(({ traceId }) => !given.has(traceId));
    for (const { traceId } of fresh) given.add(traceId);
    const soFar = mergeTenants([...before, { traces: [], stats }], 0);
    await onPartial({ traces: fresh, stats: soFar.stats });
  };
}

async function searchTenant(
  run: QueryRun,
  tenant: string,
  search: CompiledSearch,
  request: SearchRequest,
): Promise<SearchResult> {
  const { range, spansPerSpanset, onPartial } = request;
  const all = run.segments(tenant);
  const inRange = segmentsOverlapping(all, range);
  // What this finds out is kept; with many filters and segments it takes seconds.
  await prepareSegments(run, search, inRange);
  const segments = possibleSegments(search, inRange);
  // No more than there are: a client may ask for 2^32.
  const traceCount = sum(segments, (meta) => meta.traceCount);
  const limit = Math.max(1, Math.min(request.limit, traceCount));
  const read = new Set<SegmentSummary>();
  const stats = (completedJobs: number): SearchStats => ({
    segmentCount: inRange.length,
    segmentBytes: sum(inRange, (meta) => meta.byteSize),
    inspectedBytes: sum([...read], (meta) => meta.byteSize),
    inspectedSpanCount: sum([...read], (meta) => meta.rowCount),
    completedJobs,
    totalJobs: segments.length,
  });
  const probe = new SearchProbe(run, search);
  const { probed } = probe;
  const candidates = findCandidates({
    run,
    search: probed,
    probe: (some) => probe.ask(some),
    segments,
    all,
    range,
    limit,
    firstSliceRows: request.firstSliceRows ?? FIRST_SLICE_ROWS,
    onRead: (slice) => {
      for (const meta of slice) read.add(meta);
    },
  });
  const judge = judgeOf(run, { segments: all, search, range, spansPerSpanset });
  const traces: FoundTrace[] = [];
  const early = onPartial !== undefined;
  for await (const decided of newestTraces(candidates, { limit, early }, judge)) {
    traces.push(...decided);
    await onPartial?.({ traces: decided, stats: stats(read.size) });
  }
  if (run.recorder !== undefined) {
    const open = new Set(possibleSegments(probed, segments));
    const ruledOut = segments.filter((meta) => !read.has(meta) && !open.has(meta));
    const found = { tenant, known: all, inRange, possible: segments, ruledOut, read: [...read] };
    run.recorder.addSegments(found);
  }
  // What was not read holds older traces only: that job is done too.
  return { traces, stats: stats(segments.length) };
}

function sum<T>(items: readonly T[], size: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += size(item);
  return total;
}
