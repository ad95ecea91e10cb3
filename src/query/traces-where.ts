import type { SegmentMeta } from "../schema/segment-meta.ts";
import { ofTracesSql } from "./segment-sql.ts";
import type { WholeTrace } from "./trace-parts.ts";

/** Segments that hold parts of the traces, each once. */
export function segmentsOf(traces: readonly WholeTrace[]): SegmentMeta[] {
  const segments = new Set<SegmentMeta>();
  for (const trace of traces) for (const { meta } of trace.parts) segments.add(meta);
  return [...segments];
}

/** The rows of the traces that rest in these segments. */
export function whereOf(traces: readonly WholeTrace[], segments: readonly SegmentMeta[]): string {
  const wanted = new Set(segments);
  return ofTracesSql(
    traces.flatMap(({ traceId, parts }) =>
      parts
        .filter(({ meta }) => wanted.has(meta))
        .map(({ startUnixNano }) => ({ traceId, startUnixNano })),
    ),
  );
}
