import type { SegmentSummary } from "../schema/segment-meta.ts";
import { AnswerBudget } from "./answer-budget.ts";
import type { CompiledSearch } from "./compiled-search.ts";
import type { Judge } from "./newest-traces.ts";
import type { QueryRun } from "./query-context.ts";
import type { FoundTrace } from "./search-result.ts";
import { fetchSpansets } from "./search-spansets.ts";
import { fetchServiceStats } from "./service-stats.ts";
import type { TimeRange } from "./time-range.ts";
import { findTraceParts, type WholeTrace } from "./trace-parts.ts";

export type JudgeSettings = {
  /** Of the tenant: those that may hold a part of a trace. */
  readonly segments: readonly SegmentSummary[];
  readonly search: CompiledSearch;
  readonly range: TimeRange | undefined;
  /** Spans shown of each spanset, 0 = all. */
  readonly spansPerSpanset: number;
};

/** Traces whose spans are fetched by one statement: as many as bring about so many spans. */
const FETCH_SPANS = 20_000;
const MAX_FETCH_BATCH = 2000;
/** The ids and starts of all parts become part of the statement. */
const MAX_FETCH_PARTS = 4000;

/**
 * Judges candidates: puts their parts together, asks for range and bounds, runs the pipeline over
 * the whole traces, and keeps those of which spansets are left. One for each search.
 */
export function judgeOf(run: QueryRun, settings: JudgeSettings): Judge {
  const { segments, search, range, spansPerSpanset } = settings;
  const budget = new AnswerBudget();
  const size = Math.min(MAX_FETCH_BATCH, Math.ceil(FETCH_SPANS / (spansPerSpanset || 100)));
  return async (keys) => {
    const known = await findTraceParts(run, segments, keys);
    const whole = [...known.values()].filter((trace) => qualifies(trace, range, search));
    if (!search.wantsSpans) return whole.map(foundTrace);
    const found: FoundTrace[] = [];
    for (const batch of batchesOf(whole, size)) {
      found.push(...(await withSpans(run, batch, settings, budget)));
    }
    return found;
  };
}

function batchesOf(traces: readonly WholeTrace[], size: number): WholeTrace[][] {
  const batches: WholeTrace[][] = [];
  let partCount = 0;
  for (const trace of traces) {
    const last = batches.at(-1);
    const full = last === undefined || last.length >= size || partCount >= MAX_FETCH_PARTS;
    partCount = (full ? 0 : partCount) + trace.parts.length;
    if (full) batches.push([trace]);
    else last.push(trace);
  }
  return batches;
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

async function withSpans(
  run: QueryRun,
  traces: readonly WholeTrace[],
  { search, spansPerSpanset }: JudgeSettings,
  budget: AnswerBudget,
): Promise<FoundTrace[]> {
  const [spansets, stats] = await Promise.all([
    fetchSpansets(run, search, traces, spansPerSpanset, budget),
    fetchServiceStats(run, traces, budget),
  ]);
  const found: FoundTrace[] = [];
  for (const trace of traces) {
    const ofTrace = spansets.get(trace.traceId);
    if (ofTrace === undefined) continue;
    const serviceStats = stats.get(trace.traceId) ?? new Map();
    found.push({ ...foundTrace(trace), spansets: ofTrace, serviceStats });
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
