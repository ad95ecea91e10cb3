import { withParents } from "../traceql/sql/parent-join.ts";
import { checkSqlLength } from "../traceql/sql/sql.ts";
import { type CompiledSearch, leafNumbers, type SearchShape } from "./compiled-search.ts";
import { joinedRows } from "./joined-rows.ts";

/** Rows of one shape, some of which may match. */
export type SpanSource = {
  /** Text that may follow FROM: stored columns. */
  readonly from: string;
  /** Which rows of it count: all or none of a trace. */
  readonly where: string | undefined;
  /** Further columns by name, as SQL over the stored ones; also of stored ones that differ. */
  readonly columns: Readonly<Record<string, string>>;
  readonly shape: SearchShape;
  /** Leaves that none of the rows can match need not be computed. */
  mayMatch(leaf: number): boolean;
};

export type BaseColumns = {
  /** Names of stored or further columns of the sources that the base has too. */
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
  const names = [...PIPELINE_COLUMNS, ...columns];
  const hasParents = fields.some(({ type }) => type === "parent-attribute");
  const parts = hasParents ? withParentsBeside(search, sources) : sources;
  const selects = parts.map(({ from, where, columns: own, shape, mayMatch }) => {
    const inner = [
      ...names.map((name) => (own[name] === undefined ? name : `${own[name]} AS ${name}`)),
      ...leaves.map((leaf) => `(${mayMatch(leaf) ? shape.leaves[leaf] : "FALSE"}) AS match${leaf}`),
      ...values.map((_, value) => `${shape.values[value]} AS value${value}`),
      ...(echo ? shape.echo.map((sql, i) => `${sql} AS echo${i}`) : []),
    ];
    return `SELECT * FROM (SELECT ${inner.join(", ")} FROM ${from} ${where === undefined ? "" : `WHERE ${where}`})
      WHERE ${seeds.map((leaf) => `match${leaf}`).join(" OR ")}`;
  });
  const flags = leaves.map((leaf) => `coalesce(match${leaf}, false) AS leaf${leaf}`);
  const matches = leaves.map((leaf) => `match${leaf}`);
  const sql = `SELECT * EXCLUDE (${matches.join(", ")}), ${flags.join(", ")}
    FROM (${selects.join(" UNION ALL ")})`;
  checkSqlLength(sql.length);
  return sql;
}

const PIPELINE_COLUMNS = ["trace_id", "row_id", "nested_left", "nested_right", "nested_parent"];

/** A span's parent may be in another source, so all rows become those of one. */
function withParentsBeside(search: CompiledSearch, sources: readonly SpanSource[]): SpanSource[] {
  const { fields } = search.pipeline;
  const whole = sources.map((source) => ({ from: rowsOf(source), shape: source.shape.segment }));
  const [first] = whole;
  if (first === undefined) return [];
  const { from, shape } = whole.length === 1 ? first : joinedRows(whole, fields);
  return [
    {
      from: withParents(from, fields, shape),
      where: undefined,
      columns: {},
      shape: search.shapeOf(shape),
      mayMatch: (leaf) => sources.some((source) => source.mayMatch(leaf)),
    },
  ];
}

/** The source's rows with its further columns, in parentheses. */
function rowsOf({ from, where, columns }: SpanSource): string {
  const further = Object.entries(columns).map(([name, sql]) => `${sql} AS ${name}`);
  return `(SELECT ${["*", ...further].join(", ")} FROM ${from} ${where === undefined ? "" : `WHERE ${where}`})`;
}
