import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { AnswerBudget } from "./answer-budget.ts";
import type { QueryRun } from "./query-context.ts";
import { startsAt } from "./remote/row-groups.ts";
import type { ServiceStats } from "./search-result.ts";
import { ofTracesSql, readSegments } from "./segment-sql.ts";
import type { TraceKey } from "./trace-key.ts";
import type { WholeTrace } from "./trace-parts.ts";

/** Spans and failed spans by service, over all spans of each trace. */
export async function fetchServiceStats(
  run: QueryRun,
  traces: readonly WholeTrace[],
  budget: AnswerBudget,
): Promise<Map<string, Map<string, ServiceStats>>> {
  const segments = segmentsOf(traces);
  const keys = keysIn(traces, segments);
  const rowGroups = startsAt(keys.map(({ startUnixNano }) => startUnixNano));
  const rows = await run.rows(
    `SELECT trace_id, service_name, count(*), count(*) FILTER (failed)
      FROM (SELECT trace_id, span_id, kind, min(service_name) AS service_name,
          bool_or(status = 2) AS failed
        FROM ${readSegments(run.context, segments, { rowGroups })} WHERE ${ofTracesSql(keys)}
        GROUP BY trace_id, span_id, kind)
      GROUP BY trace_id, service_name ORDER BY trace_id, service_name`,
  );
  const stats = new Map<string, Map<string, ServiceStats>>();
  for (const [traceId, service, spanCount, errorCount] of rows) {
    budget.take(50 + (service as string).length);
    const ofTrace = stats.get(traceId as string) ?? new Map<string, ServiceStats>();
    stats.set(traceId as string, ofTrace);
    ofTrace.set(service as string, {
      spanCount: Number(spanCount),
      errorCount: Number(errorCount),
    });
  }
  return stats;
}

/** Segments that hold parts of the traces, each once. */
function segmentsOf(traces: readonly WholeTrace[]): SegmentSummary[] {
  const segments = new Set<SegmentSummary>();
  for (const trace of traces) for (const { meta } of trace.parts) segments.add(meta);
  return [...segments];
}

/** The parts of the traces that rest in these segments. */
function keysIn(traces: readonly WholeTrace[], segments: readonly SegmentSummary[]): TraceKey[] {
  const wanted = new Set(segments);
  return traces.flatMap(({ traceId, parts }) =>
    parts
      .filter(({ meta }) => wanted.has(meta))
      .map(({ startUnixNano }) => ({ traceId, startUnixNano })),
  );
}
