import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { combineStored } from "../combine-trace.ts";
import { spanCountOf } from "../matching-traces.ts";
import type { QueryEngine, QueryRun, RunOptions } from "../query-context.ts";
import type { FoundTrace } from "../search-result.ts";
import { ofTracesSql } from "../segment-sql.ts";
import type { StoredSpan, Trace } from "../trace.ts";
import type { TraceKey } from "../trace-key.ts";
import { findTraceParts } from "../trace-parts.ts";
import { readPortions } from "./read-portions.ts";
import { storedSpans } from "./stored-spans.ts";

export type ReadTracesRequest = {
  readonly tenant: string;
  readonly traces: readonly FoundTrace[];
  readonly signal: AbortSignal;
};

/** Of the spans held at once, and so of one trace given whole, about as OTLP protobuf. */
export const MAX_HELD_BYTES = 4 * 1024 * 1024;
/** Traces that are fetched by one statement: as many as bring about so many spans. */
const FETCH_SPANS = 10_000;

/**
 * All spans of these traces, in their order: a trace is given whole, one that is larger than
 * `MAX_HELD_BYTES` in several pieces. No place among the running queries is held between two reads.
 */
export async function* readTraces(
  engine: QueryEngine,
  { tenant, traces, signal }: ReadTracesRequest,
): AsyncGenerator<Trace, void, void> {
  for (const batch of batchesOf(traces)) yield* readBatch(engine, tenant, batch, signal);
}

async function* readBatch(
  engine: QueryEngine,
  tenant: string,
  batch: readonly FoundTrace[],
  signal: AbortSignal,
): AsyncGenerator<Trace, void, void> {
  const spans = await engine.run(readOptions(engine, tenant, signal), (run) =>
    spansOf(run, run.segments(tenant), batch),
  );
  const [first] = batch;
  if (first === undefined) return;
  if (spans !== undefined) {
    yield* wholeTraces(batch, spans);
  } else if (batch.length === 1) {
    yield* readPortions(engine, {
      ...{ tenant, trace: first, maxBytes: MAX_HELD_BYTES },
      options: readOptions(engine, tenant, signal),
    });
  } else {
    const half = batch.length >> 1;
    yield* readBatch(engine, tenant, batch.slice(0, half), signal);
    yield* readBatch(engine, tenant, batch.slice(half), signal);
  }
}

/** What a search found is in the catalog, and need not be cut from the head. */
function readOptions(engine: QueryEngine, tenant: string, signal: AbortSignal): RunOptions {
  const timeoutMs = engine.context.settings.searchTimeoutMs;
  return { tenants: [tenant], signal, timeoutMs, background: true };
}

async function spansOf(
  run: QueryRun,
  segments: readonly SegmentSummary[],
  traces: readonly TraceKey[],
): Promise<StoredSpan[] | undefined> {
  const whole = [...(await findTraceParts(run, segments, traces)).values()];
  const parts = whole.flatMap(({ traceId, parts }) => parts.map((part) => ({ traceId, ...part })));
  const metas = new Set(parts.map(({ meta }) => meta));
  return await storedSpans(run, [...metas], ofTracesSql(parts), MAX_HELD_BYTES);
}

function* wholeTraces(
  traces: readonly TraceKey[],
  spans: readonly StoredSpan[],
): Generator<Trace, void, void> {
  const ofTrace = Map.groupBy(spans, ({ span }) => span.traceId);
  for (const { traceId } of traces) {
    const own = ofTrace.get(traceId);
    // A trace may have been removed since it was found.
    if (own !== undefined) yield combineStored(own);
  }
}

function batchesOf(traces: readonly FoundTrace[]): FoundTrace[][] {
  const batches: FoundTrace[][] = [];
  let spanCount = 0;
  for (const trace of traces) {
    const last = batches.at(-1);
    const full = last === undefined || spanCount >= FETCH_SPANS;
    spanCount = (full ? 0 : spanCount) + spanCountOf(trace);
    if (full) batches.push([trace]);
    else last.push(trace);
  }
  return batches;
}
