import type { PipelineStage, ScalarNode, SpansetNode } from "../../traceql/plan/pipeline.ts";
import { pipelineToSql } from "../../traceql/sql/pipeline-to-sql.ts";
import { foldTree } from "../../traceql/walk.ts";
import { baseSpansSql, type SpanSource } from "../base-spans.ts";
import { leafNumbers } from "../compiled-search.ts";
import { readSegments, timestampSql } from "../segment-sql.ts";
import {
  type CandidateScan,
  endsAfterStartSql,
  groupByShape,
  startsBeforeEndSql,
} from "./candidate-scan.ts";
import type { Slice } from "./newest-slices.ts";

/** Traces of a slice of which the search's pipeline leaves a spanset. */
export function pipelineTracesSql(scan: CandidateScan, slice: Slice, traceLimit: number): string {
  const { search } = scan;
  const { pipeline } = search;
  const spans = baseSpansSql(search, sourcesOf(scan, slice));
  const base = countsSpans(pipeline.stages) ? distinctSpansSql(scan, spans) : spans;
  const { ctes, relation, baseReads } = pipelineToSql(pipeline, "spans", {
    output: "traces",
    carry: ["trace_start"],
  });
  const materialized = baseReads > 1 ? "MATERIALIZED" : "NOT MATERIALIZED";
  // The start of any part leads to the trace.
  return `WITH spans AS ${materialized} (${base}), ${ctes}
    SELECT trace_id, epoch_ns(max(trace_start)) AS trace_begin FROM ${relation} GROUP BY trace_id
    ORDER BY trace_begin DESC, trace_id LIMIT ${traceLimit}`;
}

/** Row ids have the file in front: fewer than this many rows a file. */
const FILE_ROWS = 2n ** 32n;

function sourcesOf(scan: CandidateScan, slice: Slice): SpanSource[] {
  const { range, search, run } = scan;
  let files = 0;
  return groupByShape(scan, slice.segments).map(({ segments, shape, inside }) => {
    const conditions: string[] = [];
    if (slice.fromUnixNano !== undefined) {
      conditions.push(`trace_start >= ${timestampSql(slice.fromUnixNano)}`);
    }
    if (!inside && range !== undefined) {
      conditions.push(startsBeforeEndSql(range), endsAfterStartSql(range));
    }
    const rowId = `(${files} + file_index::BIGINT) * ${FILE_ROWS} + file_row_number`;
    files += segments.length;
    const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
    return {
      from: `(SELECT *, ${rowId} AS row_id FROM ${readSegments(run.context, segments)} ${where})`,
      shape,
      mayMatch: (leaf) => segments.some((meta) => search.mayMatch(leaf, meta)),
      columns: ["trace_start, span_id, kind"],
    };
  });
}

/** A span that was sent twice has one row. That is dear, and without aggregates of no use here. */
function distinctSpansSql({ search }: CandidateScan, spans: string): string {
  const columns = [
    "trace_id, min(row_id) AS row_id, min(trace_start) AS trace_start",
    "min({'l': nested_left, 'r': nested_right, 'p': nested_parent}) AS tree",
    ...leafNumbers(search).map((leaf) => `bool_or(leaf${leaf}) AS leaf${leaf}`),
    ...search.pipeline.values.map((_, value) => `min(value${value}) AS value${value}`),
  ];
  return `SELECT * EXCLUDE (tree), tree.l AS nested_left, tree.r AS nested_right,
      tree.p AS nested_parent
    FROM (SELECT ${columns.join(", ")} FROM (${spans}) GROUP BY trace_id, span_id, kind)`;
}

/** Whether some stage gives another answer when a span is there twice. */
function countsSpans(stages: readonly PipelineStage[]): boolean {
  return stages.some((stage) => {
    if (stage.type === "scalar-filter") {
      return scalarCounts(stage.left) || scalarCounts(stage.right);
    }
    return stage.type === "spanset" && spansetCounts(stage.expr);
  });
}

function spansetCounts(root: SpansetNode): boolean {
  const operands = (node: SpansetNode) => (node.type === "op" ? [node.left, node.right] : []);
  return foldTree<SpansetNode, boolean>(root, operands, (node, counts) =>
    node.type === "pipeline" ? countsSpans(node.stages) : counts.some((counting) => counting),
  );
}

function scalarCounts(root: ScalarNode): boolean {
  const operands = (node: ScalarNode) => (node.type === "op" ? [node.left, node.right] : []);
  return foldTree<ScalarNode, boolean>(root, operands, (node, counts) => {
    const aggregate = node.type === "pipeline" ? node.aggregate : node;
    if (node.type === "pipeline" && countsSpans(node.stages)) return true;
    if (aggregate.type === "aggregate") return aggregate.fn !== "min" && aggregate.fn !== "max";
    return counts.some((counting) => counting);
  });
}
