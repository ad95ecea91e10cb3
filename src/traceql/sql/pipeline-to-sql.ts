import type { Pipeline } from "../plan/pipeline.ts";
import type { AnyValueLike } from "./field.ts";
import { PipelineCompiler } from "./pipeline-compiler.ts";

/**
 * What the result relation has, beside `carry`:
 * - `traces`: `trace_id`, at least once for each trace with a spanset.
 * - `spans`: `trace_id`, `row_id`; each span that is in a spanset, once.
 * - `spansets`: `trace_id`, `spanset` (BIGINT, tells the spansets of a trace apart), `row_id`, and
 *   `attr0`, `attr1`, … of `ECHO_TYPE`, the attributes of the span's spanset in order.
 */
export type PipelineOutput = "traces" | "spans" | "spansets";

export type PipelineSqlOptions = {
  readonly output: PipelineOutput;
  /** Further columns of the base that the result has. For `traces` they must be the same on all rows of a trace. */
  readonly carry?: readonly string[];
  /** Begins the names of the CTEs, for several pipelines in one statement. */
  readonly prefix?: string;
};

export type SpansetAttribute = {
  /** `by(resource.service.name)`, `avg(duration)`. */
  readonly name: string;
  /** Of a value of its column: structs as objects, 64-bit integers as bigint. */
  decode(value: unknown): AnyValueLike;
};

export type PipelineSql = {
  /** Common table expressions joined by commas, to follow the base in one WITH. */
  readonly ctes: string;
  /** Which of them is the result. */
  readonly relation: string;
  /** Of `attr0`, …; empty unless the output is `spansets`. */
  readonly attributes: readonly SpansetAttribute[];
  /** How often the base is read: materialise it when it is dear to make and read more than once. */
  readonly baseReads: number;
};

/**
 * A pipeline as SQL over the relation `base`, one row for each span of the traces in question that
 * matches any of `pipeline.seeds` (more rows do no harm, less do), with the columns
 * - `trace_id`, of any type, never NULL; `row_id` BIGINT, unique,
 * - `nested_left`, `nested_right`, `nested_parent`, the numbers of the whole trace,
 * - `leaf0`, … BOOLEAN, never NULL: `filterToSql` of each of `pipeline.leaves`,
 * - `value0`, … of `ECHO_TYPE`: `valueToSql` of each of `pipeline.values`.
 * Only those that the pipeline mentions are read. A span that was sent twice must have one row.
 *
 * The statement never fails at run time, whatever the data. Cost: a hash join for each structural
 * operator, a GROUP BY and a join for each run of `by()` and scalar filters, and nothing for
 * filters in a row. Throws `TraceQLError` when the text grows too long.
 */
export function pipelineToSql(
  pipeline: Pipeline,
  base: string,
  options: PipelineSqlOptions,
): PipelineSql {
  return new PipelineCompiler(pipeline, base, options).compile();
}
