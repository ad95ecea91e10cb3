import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { SpansetNode } from "../../traceql/plan/pipeline.ts";
import { leafNumbers } from "../compiled-search.ts";
import { startsWithin } from "../remote/row-groups.ts";
import { readSegments, timestampSql } from "../segment-sql.ts";
import { satisfiedSql } from "../spanset-tree.ts";
import { type CandidateScan, groupByShape, startsBeforeEndSql } from "./candidate-scan.ts";
import type { Slice } from "./newest-slices.ts";

/** Traces of a slice that satisfy a tree of filters, whichever of its segments a match is in. */
export function groupedTracesSql(
  scan: CandidateScan,
  tree: SpansetNode,
  slice: Slice,
  read: readonly SegmentSummary[],
  traceLimit: number,
): string {
  const { search, range } = scan;
  const some = leafNumbers(search).map((leaf) => `leaf${leaf}`);
  const selects = groupByShape(scan, read).map(({ segments, leaves, inside }) => {
    const conditions: string[] = [];
    if (slice.fromUnixNano !== undefined) {
      conditions.push(`trace_start >= ${timestampSql(slice.fromUnixNano)}`);
    }
    // The bounds on a trace's duration need all of its parts, also those without a match.
    if (search.duration === undefined) {
      conditions.push(some.join(" OR "));
      if (!inside && range !== undefined) conditions.push(startsBeforeEndSql(range));
    }
    const rowGroups = startsWithin(slice.fromUnixNano, undefined);
    const flags = leaves.map((sql, leaf) => `(${sql}) AS leaf${leaf}`);
    // Each leaf's text stands once: planning a long one takes longer than running it.
    return `SELECT * FROM (SELECT trace_id, trace_start, trace_duration_ns, ${flags.join(", ")}
      FROM ${readSegments(scan.run.context, segments, { rowGroups })})
      WHERE ${conditions.map((sql) => `(${sql})`).join(" AND ") || "true"}`;
  });
  const flags = leafNumbers(search).map((leaf) => `bool_or(leaf${leaf}) AS leaf${leaf}`);
  const having = [satisfiedSql(tree, (leaf) => `coalesce(leaf${leaf}, false)`)];
  if (range !== undefined) {
    having.push(`trace_end >= ${range.startUnixNano}`, `trace_begin <= ${range.endUnixNano}`);
  }
  const { minNanos, maxNanos } = search.duration ?? {};
  if (minNanos !== undefined) having.push(`trace_end - trace_begin >= ${minNanos}`);
  if (maxNanos !== undefined) having.push(`trace_end - trace_begin <= ${maxNanos}`);
  return `SELECT trace_id, trace_begin FROM (
      SELECT trace_id, epoch_ns(min(trace_start)) AS trace_begin,
        max(epoch_ns(trace_start)::HUGEINT + trace_duration_ns) AS trace_end, ${flags.join(", ")}
      FROM (${selects.join(" UNION ALL ")}) GROUP BY trace_id)
    WHERE ${having.join(" AND ")} ORDER BY trace_begin DESC, trace_id LIMIT ${traceLimit}`;
}
