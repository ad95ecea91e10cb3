import { withParents } from "../traceql/sql/parent-join.ts";
import { checkSqlLength } from "../traceql/sql/sql.ts";
import { type CompiledSearch, leafNumbers, type SearchShape } from "./compiled-search.ts";
import { joinedRows } from "./joined-rows.ts";

/** Rows of one shape, some of which may match. */
export type SpanSource = {
  /** Text that may follow FROM: stored columns, `row_id`, and the further ones that are asked for. */
  readonly from: string;
  readonly shape: SearchShape;
  /** Leaves that none of the rows can match need not be computed. */
  mayMatch(leaf: number): boolean;
};

export type BaseColumns = {
  /** Names of columns of the sources that the base has too. */
  readonly columns: readonly string[];
  /** Whether it has what result spans show: `echo0`, … */
  readonly echo: boolean;
};

/**
 * The relation that pipelines run over (`pipelineToSql`): spans of the sources that match one of the
 * pipeline's first filters. Each condition's text stands once in it: planning a long one takes longer
 * than running it.
 */
export function baseSpansSql(
  search: CompiledSearch,
  sources: readonly SpanSource[],
  { columns, echo }: BaseColumns,
): string {
  const { values, seeds, fields } = search.pipeline;
  const leaves = leafNumbers(search);
  const selects = parentsTogether(search, sources).map(({ from, shape, mayMatch }) => {
    const inner = [
      "trace_id, row_id, nested_left, nested_right, nested_parent",
      ...columns,
      ...leaves.map((leaf) => `(${mayMatch(leaf) ? shape.leaves[leaf] : "FALSE"}) AS match${leaf}`),
      ...values.map((_, value) => `${shape.values[value]} AS value${value}`),
      ...(echo ? shape.echo.map((sql, i) => `${sql} AS echo${i}`) : []),
    ];
    return `SELECT * FROM (SELECT ${inner.join(", ")} FROM ${withParents(from, fields, shape.segment)})
      WHERE ${seeds.map((leaf) => `match${leaf}`).join(" OR ")}`;
  });
  const flags = leaves.map((leaf) => `coalesce(match${leaf}, false) AS leaf${leaf}`);
  const matches = leaves.map((leaf) => `match${leaf}`);
  const sql = `SELECT * EXCLUDE (${matches.join(", ")}), ${flags.join(", ")}
    FROM (${selects.join(" UNION ALL ")})`;
  checkSqlLength(sql.length);
  return sql;
}

/** A span's parent may be in another source: where that matters, all rows become those of one. */
function parentsTogether(
  search: CompiledSearch,
  sources: readonly SpanSource[],
): readonly SpanSource[] {
  const { fields } = search.pipeline;
  if (sources.length < 2 || !fields.some(({ type }) => type === "parent-attribute")) return sources;
  const joined = joinedRows(
    sources.map(({ from, shape }) => ({ from, shape: shape.segment })),
    fields,
  );
  return [
    {
      from: joined.from,
      shape: search.shapeOf(joined.shape),
      mayMatch: (leaf) => sources.some((source) => source.mayMatch(leaf)),
    },
  ];
}
