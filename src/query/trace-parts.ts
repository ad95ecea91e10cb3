import type { SegmentMeta } from "../schema/segment-meta.ts";
import { mayContain } from "../storage/segments/trace-filter.ts";
import { maxOf, minOf } from "./bigint-bounds.ts";
import type { QueryRun } from "./query-context.ts";
import { readSegments, traceIdSql } from "./segment-sql.ts";
import { traceIdFromHex } from "./trace-id.ts";

/** What one segment holds of a trace. */
export type TracePart = {
  readonly meta: SegmentMeta;
  readonly startUnixNano: bigint;
};

/** A trace over all segments that hold parts of it. */
export type WholeTrace = {
  readonly traceId: string;
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  readonly rootServiceName: string;
  readonly rootSpanName: string;
  readonly parts: readonly TracePart[];
};

/**
 * Finds all parts of these traces, in any segment of the tenant, by the segments' trace filters.
 * Traces that no segment holds are absent from the answer.
 */
export async function findTraceParts(
  run: QueryRun,
  segments: readonly SegmentMeta[],
  traceIds: readonly string[],
): Promise<Map<string, WholeTrace>> {
  const ids = traceIds.map(traceIdFromHex);
  const holders = segments.filter((meta) => ids.some((id) => mayContain(meta.traceFilter, id)));
  if (holders.length === 0) return new Map();
  const byPath = new Map(holders.map((meta) => [run.context.segmentPath(meta), meta]));
  const rows = await run.rows(
    `SELECT trace_id, filename, epoch_ns(trace_start), any_value(trace_duration_ns),
        any_value(root_service_name), any_value(root_span_name)
      FROM ${readSegments(run.context, holders, "filename")}
      WHERE trace_id IN (${traceIds.map(traceIdSql).join(", ")})
      GROUP BY trace_id, filename, trace_start ORDER BY trace_id, trace_start, filename`,
  );
  const traces = new Map<string, WholeTrace>();
  for (const row of rows) {
    const [traceId, path, start, duration, service, name] = row as [
      string,
      string,
      bigint,
      bigint,
      string,
      string,
    ];
    const meta = byPath.get(path);
    if (meta === undefined) throw new Error(`the database names a file that was not asked for`);
    const part = { meta, startUnixNano: start };
    traces.set(
      traceId,
      merged(traces.get(traceId), traceId, part, start + duration, service, name),
    );
  }
  return traces;
}

/** Rows come by start: the earliest part that knows the root names it. */
function merged(
  known: WholeTrace | undefined,
  traceId: string,
  part: TracePart,
  endUnixNano: bigint,
  service: string,
  name: string,
): WholeTrace {
  if (known === undefined) {
    return {
      traceId,
      startUnixNano: part.startUnixNano,
      endUnixNano,
      rootServiceName: service,
      rootSpanName: name,
      parts: [part],
    };
  }
  const rootKnown = known.rootServiceName !== "" || known.rootSpanName !== "";
  return {
    traceId,
    startUnixNano: minOf(part.startUnixNano, known.startUnixNano),
    endUnixNano: maxOf(endUnixNano, known.endUnixNano),
    rootServiceName: rootKnown ? known.rootServiceName : service,
    rootSpanName: rootKnown ? known.rootSpanName : name,
    parts: [...known.parts, part],
  };
}
