import type { SegmentMeta } from "../schema/segment-meta.ts";
import { AnswerBudget } from "./answer-budget.ts";
import { type CompiledSearch, leafNumbers } from "./compiled-search.ts";
import { mergeTenants } from "./merge-tenants.ts";
import type { QueryEngine, QueryRun } from "./query-context.ts";
import { type CandidateSource, findCandidates } from "./search-candidates.ts";
import type { FoundTrace, SearchResult } from "./search-result.ts";
import { fetchServiceStats, fetchSpansets } from "./search-spansets.ts";
import { satisfied } from "./spanset-tree.ts";
import { segmentOverlaps, type TimeRange } from "./time-range.ts";
import { compareTraces, earlierOf, type TraceKey } from "./trace-key.ts";
import { findTraceParts, type WholeTrace } from "./trace-parts.ts";

export type SearchRequest = {
  readonly tenants: readonly string[];
  /** `undefined`: the query is false for all data, nothing is read. */
  readonly search: CompiledSearch | undefined;
  readonly range: TimeRange | undefined;
  readonly limit: number;
  /** Spans shown of each spanset, 0 = all. */
  readonly spansPerSpanset: number;
  readonly signal?: AbortSignal | undefined;
};

/** The newest traces that match. The same request over the same data gives the same answer. */
export async function searchTraces(
  engine: QueryEngine,
  request: SearchRequest,
): Promise<SearchResult> {
  const { search, tenants, signal } = request;
  if (search === undefined) return mergeTenants([], request.limit);
  const timeoutMs = engine.context.settings.searchTimeoutMs;
  return await engine.run({ tenants, signal, timeoutMs }, async (run) => {
    const results: SearchResult[] = [];
    for (const tenant of tenants) results.push(await searchTenant(run, tenant, search, request));
    return mergeTenants(results, request.limit);
  });
}

async function searchTenant(
  run: QueryRun,
  tenant: string,
  search: CompiledSearch,
  request: SearchRequest,
): Promise<SearchResult> {
  const all = run.segments(tenant);
  const inRange = all.filter((meta) => segmentOverlaps(meta, request.range));
  // What this finds out is kept; with many filters and segments it takes seconds.
  await run.forEach(inRange, (meta) => search.mayMatch(0, meta));
  const segments = possible(search, inRange);
  // No more than there are: a client may ask for 2^32.
  const limit = Math.max(
    1,
    Math.min(
      request.limit,
      sum(segments, (meta) => meta.traceCount),
    ),
  );
  const read = new Set<SegmentMeta>();
  const candidates = findCandidates({
    run,
    search,
    segments,
    range: request.range,
    limit,
    onRead: (slice) => {
      for (const meta of slice) read.add(meta);
    },
  });
  const whole = await newestTraces(candidates, { ...request, limit }, search, (keys) =>
    findTraceParts(run, all, keys),
  );
  return {
    traces: search.wantsSpans
      ? await withSpans(run, search, whole, request.spansPerSpanset)
      : whole.map((trace) => foundTrace(trace)),
    stats: {
      segmentCount: inRange.length,
      segmentBytes: sum(inRange, (meta) => meta.byteSize),
      inspectedSegmentCount: read.size,
      inspectedBytes: sum([...read], (meta) => meta.byteSize),
      inspectedSpanCount: sum([...read], (meta) => meta.rowCount),
    },
  };
}

/** Segments where some leaf may match; none when the leaves that may cannot satisfy the tree. */
function possible(search: CompiledSearch, segments: readonly SegmentMeta[]): SegmentMeta[] {
  const leaves = leafNumbers(search);
  const somewhere = leaves.map((leaf) => segments.some((meta) => search.mayMatch(leaf, meta)));
  if (!satisfied(search.tree, (leaf) => somewhere[leaf] ?? false)) return [];
  // Bounds on the duration need all parts of a trace.
  if (search.duration !== undefined) return [...segments];
  return segments.filter((meta) => leaves.some((leaf) => search.mayMatch(leaf, meta)));
}

/** Traces looked up at once: their ids become part of a statement's text. */
const LOOKUP_BATCH = 4000;
const MIN_LOOKUP = 16;

/**
 * The first `limit` traces of the order, decided on whole traces: a candidate whose other parts
 * start earlier moves back, one that misses the range is dropped, and then the next are looked at.
 */
async function newestTraces(
  candidates: CandidateSource,
  request: Pick<SearchRequest, "limit" | "range">,
  search: CompiledSearch,
  lookUp: (keys: readonly TraceKey[]) => Promise<Map<string, WholeTrace>>,
): Promise<WholeTrace[]> {
  const { limit, range } = request;
  const seen = new Set<string>();
  const accepted: WholeTrace[] = [];
  let pending: TraceKey[] = [];
  for await (const { found, boundary } of candidates) {
    for (const key of latestOfEach(found)) {
      if (seen.has(key.traceId)) continue;
      seen.add(key.traceId);
      pending.push(key);
    }
    pending.sort(compareTraces);
    let at = 0;
    for (;;) {
      const first = pending[at];
      if (accepted.length >= limit) {
        // All that is not accepted yet comes after `next`, and so after the last one that counts.
        const last = accepted.sort(compareTraces)[limit - 1]!;
        const next = earlierOf(first, boundary);
        if (next === undefined || compareTraces(last, next) <= 0) return accepted.slice(0, limit);
      }
      // Beyond the boundary other traces may come in between: read on before deciding.
      if (first === undefined || (boundary && compareTraces(boundary, first) < 0)) break;
      const size = Math.min(LOOKUP_BATCH, Math.max(limit - accepted.length, MIN_LOOKUP));
      const batch = pending.slice(at, at + size);
      at += batch.length;
      for (const trace of (await lookUp(batch)).values()) {
        if (qualifies(trace, range, search)) accepted.push(trace);
      }
    }
    pending = pending.slice(at);
  }
  return accepted.sort(compareTraces).slice(0, limit);
}

/** The rows of a trace may come from several segments with several starts: its latest counts. */
function latestOfEach(keys: readonly TraceKey[]): TraceKey[] {
  const latest = new Map<string, TraceKey>();
  for (const key of keys) {
    const known = latest.get(key.traceId);
    if (known === undefined || compareTraces(key, known) < 0) latest.set(key.traceId, key);
  }
  return [...latest.values()];
}

function qualifies(
  trace: WholeTrace,
  range: TimeRange | undefined,
  search: CompiledSearch,
): boolean {
  if (range !== undefined) {
    if (trace.startUnixNano > range.endUnixNano) return false;
    if (trace.endUnixNano < range.startUnixNano) return false;
  }
  const { minNanos, maxNanos } = search.duration ?? {};
  const duration = trace.endUnixNano - trace.startUnixNano;
  if (minNanos !== undefined && duration < minNanos) return false;
  return maxNanos === undefined || duration <= maxNanos;
}

/** Traces whose spans are fetched by one statement: as many as bring about so many spans. */
const FETCH_SPANS = 20_000;
const MAX_FETCH_BATCH = 2000;

async function withSpans(
  run: QueryRun,
  search: CompiledSearch,
  traces: readonly WholeTrace[],
  spansPerSpanset: number,
): Promise<FoundTrace[]> {
  const found: FoundTrace[] = [];
  const budget = new AnswerBudget();
  const size = Math.min(MAX_FETCH_BATCH, Math.ceil(FETCH_SPANS / (spansPerSpanset || 100)));
  for (let at = 0; at < traces.length; at += size) {
    const batch = traces.slice(at, at + size);
    const [spansets, stats] = await Promise.all([
      fetchSpansets(run, search, batch, spansPerSpanset, budget),
      fetchServiceStats(run, batch, budget),
    ]);
    for (const trace of batch) {
      const spanset = spansets.get(trace.traceId);
      found.push({
        ...foundTrace(trace),
        spansets: spanset === undefined ? [] : [spanset],
        serviceStats: stats.get(trace.traceId) ?? new Map(),
      });
    }
  }
  return found;
}

function foundTrace(trace: WholeTrace): FoundTrace {
  return {
    traceId: trace.traceId,
    rootServiceName: trace.root?.serviceName ?? "",
    rootSpanName: trace.root?.spanName ?? "",
    startUnixNano: trace.startUnixNano,
    durationNanos: trace.endUnixNano - trace.startUnixNano,
    spansets: undefined,
    serviceStats: undefined,
  };
}

function sum<T>(items: readonly T[], size: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += size(item);
  return total;
}
