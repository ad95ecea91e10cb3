import type { SqlValue } from "../drivers/duckdb/database.ts";
import type { SegmentMeta } from "../schema/segment-meta.ts";
import type { AnyValueLike } from "../traceql/sql/field.ts";
import type { AnswerBudget } from "./answer-budget.ts";
import { type CompiledSearch, leafNumbers } from "./compiled-search.ts";
import type { QueryRun } from "./query-context.ts";
import type { FoundAttribute, FoundSpan, FoundSpanset, ServiceStats } from "./search-result.ts";
import { ofTracesSql, readSegments } from "./segment-sql.ts";
import { contributesSql } from "./spanset-tree.ts";
import type { WholeTrace } from "./trace-parts.ts";

/**
 * The matching spans of each trace, at most `spanLimit` of them (0 = all). The leaves are decided
 * over whole traces, whichever segments hold them.
 */
export async function fetchSpansets(
  run: QueryRun,
  search: CompiledSearch,
  traces: readonly WholeTrace[],
  spanLimit: number,
  budget: AnswerBudget,
): Promise<Map<string, FoundSpanset[]>> {
  const spansets = new Map<string, { spans: FoundSpan[]; matchedCount: number }>();
  await run.chunks(spansetsSql(run, search, traces, spanLimit), ({ rowCount, columns }) => {
    for (let r = 0; r < rowCount; r++) {
      const row = columns.map((column) => column[r] ?? null);
      const traceId = row[0] as string;
      let spanset = spansets.get(traceId);
      if (spanset === undefined) {
        spanset = { spans: [], matchedCount: Number(row[1]) };
        spansets.set(traceId, spanset);
      }
      const span = readSpan(search, row);
      budget.take(spanBytes(span));
      spanset.spans.push(span);
    }
  });
  return new Map(
    Array.from(spansets, ([traceId, spanset]) => [traceId, [{ ...spanset, attributes: [] }]]),
  );
}

const SPAN_COLUMNS = 6;

function readSpan(search: CompiledSearch, row: readonly SqlValue[]): FoundSpan {
  const [, , spanId, name, start, duration] = row;
  const attributes: FoundAttribute[] = [];
  search.echo.forEach(({ key, decode }, i) => {
    const stored = row[SPAN_COLUMNS + i];
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
  let bytes = 150 + name.length;
  for (const { key, value } of attributes) bytes += 50 + key.length + valueBytes(value);
  return bytes;
}

function valueBytes(value: AnyValueLike): number {
  if ("stringValue" in value) return value.stringValue.length;
  if (!("arrayValue" in value)) return 0;
  return value.arrayValue.values.reduce((sum, element) => sum + 20 + valueBytes(element), 0);
}

function spansetsSql(
  run: QueryRun,
  search: CompiledSearch,
  traces: readonly WholeTrace[],
  spanLimit: number,
): string {
  const echoNames = search.echo.map((_, i) => `echo${i}`);
  const leafNames = leafNumbers(search).map((leaf) => `leaf${leaf}`);
  const selects = partsByShape(search, traces).map(({ segments, leaves, echo, where }) => {
    const exact = segments[0]?.optionalColumns.includes("start_unix_nano") ?? false;
    const start = exact
      ? "coalesce(start_unix_nano, epoch_ns(start_time)::UBIGINT)"
      : "epoch_ns(start_time)::UBIGINT";
    const columns = [
      "trace_id, span_id, kind, name, duration_ns",
      `${start} AS start_ns`,
      ...leaves.map((sql, i) => `coalesce(${sql}, false) AS ${leafNames[i]}`),
      ...echo.map((sql, i) => `${sql} AS ${echoNames[i]}`),
    ];
    // Each leaf's text stands once: planning a long one takes longer than running it.
    return `SELECT * FROM (SELECT ${columns.join(", ")}
      FROM ${readSegments(run.context, segments)} WHERE ${where}) WHERE ${leafNames.join(" OR ")}`;
  });
  // One filter needs no look at the whole trace.
  const single = search.tree.type === "leaf";
  const traceFlags = leafNames.map((name) => `bool_or(${name}) AS trace_${name}`);
  const contributes = contributesSql(
    search.tree,
    (leaf) => `leaf${leaf}`,
    (leaf) => `trace_leaf${leaf}`,
  );
  const columns = ["trace_id, matched_count, span_id, name, start_ns, duration_ns", ...echoNames];
  // A span that a client sent twice counts once; which copy is shown does not depend on the files.
  // Count and place share one window, since each window costs a sort.
  return `WITH found AS ${single ? "NOT " : ""}MATERIALIZED (
      SELECT * FROM (${selects.join(" UNION ALL ")})
      QUALIFY row_number() OVER (PARTITION BY trace_id, span_id, kind
        ORDER BY start_ns, duration_ns, name) = 1),
    ${single ? "" : `per_trace AS (SELECT trace_id, ${traceFlags.join(", ")} FROM found GROUP BY trace_id),`}
    matched AS (SELECT found.*, row_number() OVER in_trace AS place,
        count(*) OVER (in_trace ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
          AS matched_count
      FROM found ${single ? "" : "JOIN per_trace USING (trace_id)"} WHERE ${contributes}
      WINDOW in_trace AS (PARTITION BY trace_id ORDER BY start_ns, span_id, kind))
    SELECT ${columns.join(", ")} FROM matched
    ${spanLimit > 0 ? `WHERE place <= ${spanLimit}` : ""} ORDER BY trace_id, place`;
}

/** Spans and failed spans by service, over all spans of each trace. */
export async function fetchServiceStats(
  run: QueryRun,
  traces: readonly WholeTrace[],
  budget: AnswerBudget,
): Promise<Map<string, Map<string, ServiceStats>>> {
  const segments = segmentsOf(traces);
  const rows = await run.rows(
    `SELECT trace_id, service_name, count(*), count(*) FILTER (failed)
      FROM (SELECT trace_id, span_id, kind, min(service_name) AS service_name,
          bool_or(status = 2) AS failed
        FROM ${readSegments(run.context, segments)} WHERE ${whereOf(traces, segments)}
        GROUP BY trace_id, span_id, kind)
      GROUP BY trace_id, service_name ORDER BY trace_id, service_name`,
  );
  const stats = new Map<string, Map<string, ServiceStats>>();
  for (const [traceId, service, spanCount, errorCount] of rows) {
    budget.take(50 + (service as string).length);
    const ofTrace = stats.get(traceId as string) ?? new Map<string, ServiceStats>();
    stats.set(traceId as string, ofTrace);
    ofTrace.set(service as string, {
      spanCount: Number(spanCount),
      errorCount: Number(errorCount),
    });
  }
  return stats;
}

type PartsGroup = {
  readonly segments: SegmentMeta[];
  readonly leaves: readonly string[];
  readonly echo: readonly string[];
  readonly where: string;
};

function partsByShape(search: CompiledSearch, traces: readonly WholeTrace[]): PartsGroup[] {
  const groups = new Map<string, Omit<PartsGroup, "where">>();
  for (const meta of segmentsOf(traces)) {
    const shape = search.shape(meta);
    const exact = meta.optionalColumns.includes("start_unix_nano");
    const key = `${exact} ${shape.key}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { ...shape, segments: [meta] });
    else group.segments.push(meta);
  }
  return Array.from(groups.values(), (group) => ({
    ...group,
    where: whereOf(traces, group.segments),
  }));
}

function segmentsOf(traces: readonly WholeTrace[]): SegmentMeta[] {
  const segments = new Set<SegmentMeta>();
  for (const trace of traces) for (const { meta } of trace.parts) segments.add(meta);
  return [...segments];
}

function whereOf(traces: readonly WholeTrace[], segments: readonly SegmentMeta[]): string {
  const wanted = new Set(segments);
  return ofTracesSql(
    traces.flatMap(({ traceId, parts }) =>
      parts
        .filter(({ meta }) => wanted.has(meta))
        .map(({ startUnixNano }) => ({ traceId, startUnixNano })),
    ),
  );
}
