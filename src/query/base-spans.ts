import type { SegmentMeta } from "../schema/segment-meta.ts";
import { withParents } from "../traceql/sql/parent-join.ts";
import { checkSqlLength } from "../traceql/sql/sql.ts";
import { type CompiledSearch, leafNumbers, type SearchShape } from "./compiled-search.ts";

/** Rows of one shape, of which some match. */
export type SpanSource = {
  /** Text that may follow FROM: stored columns, and `row_id`, a BIGINT that no other row has. */
  readonly from: string;
  readonly shape: SearchShape;
  /** Leaves that none of the rows can match need not be computed. */
  mayMatch(leaf: number): boolean;
  /** More columns of the base, as they stand in a SELECT list. */
  readonly columns: readonly string[];
};

/**
 * The relation that pipelines run over (`pipelineToSql`): spans of the sources that match one of the
 * pipeline's first filters. Each condition's text stands once in it: planning a long one takes longer
 * than running it.
 */
export function baseSpansSql(search: CompiledSearch, sources: readonly SpanSource[]): string {
  const { values, seeds, fields } = search.pipeline;
  const selects = sources.map(({ from, shape, mayMatch, columns }) => {
    const leaves = leafNumbers(search).map((leaf) => {
      const text = mayMatch(leaf) ? shape.leaves[leaf] : "FALSE";
      return `(${text}) AS match${leaf}`;
    });
    const inner = [
      "trace_id, row_id, nested_left, nested_right, nested_parent",
      ...leaves,
      ...values.map((_, value) => `${shape.values[value]} AS value${value}`),
      ...columns,
    ];
    const rows = withParents(from, fields, shape.segment);
    // Of a single filter the database can tell by statistics which rows to skip.
    return `SELECT * FROM (SELECT ${inner.join(", ")} FROM ${rows})
      WHERE ${seeds.map((leaf) => `match${leaf}`).join(" OR ")}`;
  });
  const flags = leafNumbers(search).map((leaf) => `coalesce(match${leaf}, false) AS leaf${leaf}`);
  const matches = leafNumbers(search).map((leaf) => `match${leaf}`);
  const sql = `SELECT * EXCLUDE (${matches.join(", ")}), ${flags.join(", ")}
    FROM (${selects.join(" UNION ALL ")})`;
  checkSqlLength(sql.length);
  return sql;
}

/** Segments of the same shape, in their order. */
export function byShape<K extends string>(
  search: CompiledSearch,
  segments: Iterable<SegmentMeta>,
  keyOf: (meta: SegmentMeta) => K,
): SegmentMeta[][] {
  const groups = new Map<string, SegmentMeta[]>();
  for (const meta of segments) {
    const key = `${keyOf(meta)} ${search.shape(meta).key}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [meta]);
    else group.push(meta);
  }
  return [...groups.values()];
}
