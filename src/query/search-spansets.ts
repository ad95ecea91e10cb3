import type { SqlValue } from "../drivers/duckdb/database.ts";
import type { AnyValueLike } from "../traceql/sql/field.ts";
import { type PipelineSql, pipelineToSql } from "../traceql/sql/pipeline-to-sql.ts";
import type { AnswerBudget } from "./answer-budget.ts";
import { baseSpansSql, type SpanSource } from "./base-spans.ts";
import type { CompiledSearch } from "./compiled-search.ts";
import type { QueryRun } from "./query-context.ts";
import type { FoundAttribute, FoundSpan, FoundSpanset } from "./search-result.ts";
import type { WholeTrace } from "./trace-parts.ts";
import { withTraceSources } from "./trace-sources.ts";

/**
 * The spansets of each trace that the pipeline leaves, by the start of their first spans, with at most
 * `spanLimit` spans each (0 = all). Traces without any are absent.
 */
export async function fetchSpansets(
  run: QueryRun,
  search: CompiledSearch,
  traces: readonly WholeTrace[],
  spanLimit: number,
  budget: AnswerBudget,
): Promise<Map<string, FoundSpanset[]>> {
  const pipeline = spansetsOf(search);
  const found = await withTraceSources(run, search, traces, (sources) =>
    readSpansets(run, search, pipeline, spansetsSql(pipeline, search, sources, spanLimit), budget),
  );
  return new Map(
    Array.from(found, ([traceId, spansets]) => [
      traceId,
      spansets.sort(byFirstSpan).map(({ spans, matchedCount, attributes }) => ({
        spans,
        matchedCount,
        attributes,
      })),
    ]),
  );
}

/** By trace. */
async function readSpansets(
  run: QueryRun,
  search: CompiledSearch,
  pipeline: PipelineSql,
  sql: string,
  budget: AnswerBudget,
): Promise<Map<string, SpansetRows[]>> {
  const found = new Map<string, SpansetRows[]>();
  let current: SpansetRows | undefined;
  await run.chunks(sql, ({ rowCount, columns }) => {
    for (let r = 0; r < rowCount; r++) {
      const row = columns.map((column) => column[r] ?? null);
      const traceId = row[0] as string;
      const spanset = row[1] as bigint;
      if (current?.traceId !== traceId || current.spanset !== spanset) {
        const attributes = readAttributes(pipeline, row);
        budget.take(attributesBytes(attributes));
        const matchedCount = Number(row[2]);
        current = { traceId, spanset, spans: [], matchedCount, attributes };
        const ofTrace = found.get(traceId);
        if (ofTrace === undefined) found.set(traceId, [current]);
        else ofTrace.push(current);
      }
      const span = readSpan(search, row, FIXED_COLUMNS + pipeline.attributes.length);
      budget.take(spanBytes(span));
      current.spans.push(span);
    }
  });
  return found;
}

type SpansetRows = FoundSpanset & {
  readonly traceId: string;
  readonly spanset: bigint;
  readonly spans: FoundSpan[];
};

/** No two spansets of a trace share a span. */
function byFirstSpan({ spans: [a] }: SpansetRows, { spans: [b] }: SpansetRows): number {
  if (a === undefined || b === undefined) throw new Error("a spanset has no span");
  if (a.startUnixNano !== b.startUnixNano) return a.startUnixNano < b.startUnixNano ? -1 : 1;
  return a.spanId < b.spanId ? -1 : a.spanId > b.spanId ? 1 : 0;
}

/** Before the spanset's attributes, which come before the echoed fields. */
const FIXED_COLUMNS = 7;

function readAttributes(pipeline: PipelineSql, row: readonly SqlValue[]): FoundAttribute[] {
  return pipeline.attributes.map(({ name, decode }, i) => ({
    key: name,
    value: decode(row[FIXED_COLUMNS + i]),
  }));
}

function readSpan(search: CompiledSearch, row: readonly SqlValue[], echoAt: number): FoundSpan {
  const [, , , spanId, name, start, duration] = row;
  const attributes: FoundAttribute[] = [];
  search.echo.forEach(({ key, decode }, i) => {
    const stored = row[echoAt + i];
    const value = stored === undefined || stored === null ? undefined : decode(stored);
    if (value !== undefined) attributes.push({ key, value });
  });
  const durationNanos = duration as bigint;
  return {
    spanId: spanId as bigint,
    name: search.showsName ? (name as string) : undefined,
    startUnixNano: start as bigint,
    durationNanos: durationNanos < 0n ? 0n : durationNanos,
    attributes,
  };
}

function spanBytes({ name = "", attributes }: FoundSpan): number {
  return 150 + name.length + attributesBytes(attributes);
}

function attributesBytes(attributes: readonly FoundAttribute[]): number {
  let bytes = 0;
  for (const { key, value } of attributes) bytes += 50 + key.length + valueBytes(value);
  return bytes;
}

function valueBytes(value: AnyValueLike): number {
  if ("stringValue" in value) return value.stringValue.length;
  if (!("arrayValue" in value)) return 0;
  return value.arrayValue.values.reduce((sum, element) => sum + 20 + valueBytes(element), 0);
}

/** Columns of the base that the answer shows. */
function shownColumns(search: CompiledSearch): string[] {
  return [...SPAN_COLUMNS, ...search.echo.map((_, i) => `echo${i}`)];
}
const SPAN_COLUMNS = ["span_id", "kind", "name", "duration_ns", "start_ns"];

/** Of one pass over the base the columns come along; else they are fetched once it is done. */
function spansetsOf(search: CompiledSearch): PipelineSql {
  const output = "spansets";
  const narrow = pipelineToSql(search.pipeline, "spans", { output });
  if (narrow.baseReads > 1) return narrow;
  return pipelineToSql(search.pipeline, "spans", { output, carry: shownColumns(search) });
}

function spansetsSql(
  pipeline: PipelineSql,
  search: CompiledSearch,
  sources: readonly SpanSource[],
  spanLimit: number,
): string {
  const columns = [
    "trace_id, spanset, matched_count, span_id, name, start_ns, duration_ns",
    ...pipeline.attributes.map((_, i) => `attr${i}`),
    ...search.echo.map((_, i) => `echo${i}`),
  ];
  const base = baseSpansSql(search, sources, { columns: SPAN_COLUMNS, echo: true });
  const once = pipeline.baseReads <= 1;
  const shown = shownColumns(search).join(", ");
  const found = once
    ? pipeline.relation
    : `${pipeline.relation} JOIN (SELECT row_id, ${shown} FROM spans) USING (row_id)`;
  // A span that a client sent twice counts once; which copy is shown does not depend on the files.
  const copies = search.pipeline.needsWholeTraces ? ", nested_left, row_id" : "";
  // Count and place share one window, since each window costs a sort.
  return `WITH spans AS ${once ? "NOT" : ""} MATERIALIZED (SELECT * FROM (${base})
      QUALIFY row_number() OVER (PARTITION BY trace_id, span_id, kind
        ORDER BY start_ns, duration_ns, name${copies}) = 1),
    ${pipeline.ctes},
    placed AS (SELECT *, row_number() OVER in_set AS place,
        count(*) OVER (in_set ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
          AS matched_count
      FROM ${found}
      WINDOW in_set AS (PARTITION BY trace_id, spanset ORDER BY start_ns, span_id, kind))
    SELECT ${columns.join(", ")} FROM placed
    ${spanLimit > 0 ? `WHERE place <= ${spanLimit}` : ""} ORDER BY trace_id, spanset, place`;
}
