import type { Pipeline } from "../../traceql/plan/pipeline.ts";
import { withParents } from "../../traceql/sql/parent-join.ts";
import { pipelineToSql } from "../../traceql/sql/pipeline-to-sql.ts";
import type { SegmentShape } from "../../traceql/sql/segment-shape.ts";
import { checkSqlLength } from "../../traceql/sql/sql.ts";
import { valueToSql } from "../../traceql/sql/value-to-sql.ts";
import type { MetricsGrid } from "./grid.ts";
import { startInGridSql } from "./segments-in-grid.ts";

/** Rows of whole traces, of one shape. */
export type TraceRows = {
  /** Text that may follow FROM: stored columns and `row_id`. */
  readonly rows: string;
  readonly shape: SegmentShape;
  /** One for each leaf of the pipeline. */
  readonly conditions: readonly string[];
};

/** Name of the relation with the `row_id` of each observation, once. */
export const HITS = "hits";

/** A WITH clause that defines `HITS`: what the pipeline leaves of the rows and starts in the grid. */
export function hitsSql(
  pipeline: Pipeline,
  sources: readonly TraceRows[],
  grid: MetricsGrid,
): string {
  const { leaves, values, seeds, fields } = pipeline;
  const selects = sources.map(({ rows, shape, conditions }) => {
    const columns = [
      "trace_id, row_id, nested_left, nested_right, nested_parent, start_time",
      ...conditions.map((condition, leaf) => `(${condition}) AS match${leaf}`),
      ...values.map((value, i) => `${valueToSql(value, shape).text} AS value${i}`),
    ];
    return `SELECT * FROM (SELECT ${columns.join(", ")} FROM ${withParents(rows, fields, shape)})
      WHERE ${seeds.map((leaf) => `match${leaf}`).join(" OR ")}`;
  });
  const matches = leaves.map((_, leaf) => `match${leaf}`);
  const flags = leaves.map((_, leaf) => `coalesce(match${leaf}, false) AS leaf${leaf}`);
  const base = `SELECT * EXCLUDE (${matches.join(", ")}), ${flags.join(", ")}
    FROM (${selects.join(" UNION ALL ")})`;
  const result = pipelineToSql(pipeline, "base", { output: "spans", carry: ["start_time"] });
  checkSqlLength(base.length + result.ctes.length);
  const materialized = result.baseReads > 1 ? "MATERIALIZED" : "NOT MATERIALIZED";
  return `WITH base AS ${materialized} (${base}),
    ${result.ctes},
    ${HITS} AS MATERIALIZED (SELECT row_id FROM ${result.relation} WHERE ${startInGridSql(grid)})
    `;
}
