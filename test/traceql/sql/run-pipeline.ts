import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { checkQuery } from "../../../src/traceql/check/check.ts";
import { parseQuery } from "../../../src/traceql/parser.ts";
import type { Pipeline } from "../../../src/traceql/plan/pipeline.ts";
import { planPipeline } from "../../../src/traceql/plan/plan-pipeline.ts";
import type { AnyValueLike } from "../../../src/traceql/sql/field.ts";
import { filterToSql } from "../../../src/traceql/sql/filter.ts";
import { withParents } from "../../../src/traceql/sql/parent-join.ts";
import {
  type PipelineOutput,
  type PipelineSqlOptions,
  pipelineToSql,
} from "../../../src/traceql/sql/pipeline-to-sql.ts";
import { shapeOf } from "../../../src/traceql/sql/segment-shape.ts";
import { valueToSql } from "../../../src/traceql/sql/value-to-sql.ts";
import type { Database } from "./stored-table.ts";

/** A stored table in which `rowid` tells the rows apart. */
export type StoredTable = {
  readonly db: Database;
  readonly table: string;
  readonly meta: SegmentMeta;
};

export function plan(text: string): Pipeline {
  const query = parseQuery(text);
  checkQuery(query);
  return planPipeline(query);
}

/** The whole statement: the base over the table, then the pipeline. */
export function statement(
  { table, meta }: StoredTable,
  pipeline: Pipeline,
  options: PipelineSqlOptions,
) {
  const shape = shapeOf(meta, pipeline.fields);
  const from = withParents(`(SELECT *, rowid AS row_id FROM ${table})`, pipeline.fields, shape);
  const columns = [
    ...pipeline.leaves.map(
      (leaf, i) => `coalesce(${filterToSql(leaf, shape).text}, false) AS leaf${i}`,
    ),
    ...pipeline.values.map((value, i) => `${valueToSql(value, shape).text} AS value${i}`),
  ];
  const seeds = pipeline.seeds.map((leaf) => `leaf${leaf}`).join(" OR ");
  const sql = pipelineToSql(pipeline, "base", options);
  return {
    ...sql,
    text: `WITH base AS MATERIALIZED (SELECT * FROM (
        SELECT trace_id, row_id, label, nested_left, nested_right, nested_parent, ${columns.join(", ")} FROM ${from})
      WHERE ${seeds}),
    ${sql.ctes}`,
  };
}

/** Spansets as text, sorted: the labels of the spans, then the attributes: `S1 S4 [count()=2]`. */
export async function spansetsOf(stored: StoredTable, query: string): Promise<string[]> {
  const pipeline = plan(query);
  const { text, relation, attributes } = statement(stored, pipeline, {
    output: "spansets",
    carry: ["label"],
  });
  const names = attributes.map((_, i) => `, attr${i}`).join("");
  const rows = await stored.db.rows(
    `${text} SELECT CAST(trace_id AS VARCHAR), spanset, label${names} FROM ${relation}
    ORDER BY trace_id, spanset, label`,
  );
  const spansets = new Map<string, { labels: string[]; attributes: string }>();
  for (const [trace, spanset, label, ...values] of rows) {
    const shown = attributes
      .map(({ name, decode }, i) => `${name}=${shownValue(decode(values[i]))}`)
      .join(", ");
    const id = `${trace} ${spanset}`;
    const known = spansets.get(id) ?? { labels: [], attributes: shown };
    if (known.attributes !== shown)
      throw new Error(`${known.attributes} and ${shown} in one spanset`);
    known.labels.push(String(label));
    spansets.set(id, known);
  }
  return [...spansets.values()]
    .map(({ labels, attributes: shown }) =>
      shown === "" ? labels.join(" ") : `${labels.join(" ")} [${shown}]`,
    )
    .sort();
}

function shownValue(value: AnyValueLike): string {
  if ("arrayValue" in value) return `[${value.arrayValue.values.map(shownValue).join(",")}]`;
  return String(Object.values(value)[0]);
}

/** Labels of the spans in any spanset; ids of the traces. */
export async function found(
  stored: StoredTable,
  query: string,
  output: Exclude<PipelineOutput, "spansets">,
): Promise<string[]> {
  const carry = output === "spans" ? ["label"] : [];
  const { text, relation } = statement(stored, plan(query), { output, carry });
  const column = output === "spans" ? "label" : "DISTINCT ltrim(CAST(trace_id AS VARCHAR), '0-')";
  const rows = await stored.db.rows(`${text} SELECT ${column} FROM ${relation} ORDER BY 1`);
  return rows.map(([value]) => String(value));
}
