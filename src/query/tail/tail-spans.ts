import type { SqlValue } from "../../drivers/duckdb/database.ts";
import { EXACT_TIME_COLUMNS } from "../../schema/columns.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { CompiledSearch } from "../compiled-search.ts";
import { prepareSegments } from "../prepare-segments.ts";
import type { QueryRun } from "../query-context.ts";
import type { FoundAttribute } from "../search-result.ts";
import { readSegments } from "../segment-sql.ts";

/** A span as a live tail shows it. */
export type TailSpan = {
  readonly tenant: string;
  /** 32 hex digits. */
  readonly traceId: string;
  readonly spanId: bigint;
  readonly parentSpanId: bigint | undefined;
  readonly name: string;
  readonly serviceName: string;
  readonly startUnixNano: bigint;
  readonly durationNanos: bigint;
  /** OTLP's numbers. */
  readonly kind: number;
  readonly status: number;
  /** What the query mentions and selects. */
  readonly attributes: readonly FoundAttribute[];
  /** Size in memory, roughly. */
  readonly bytes: number;
};

export type TailBatch = {
  readonly spans: readonly TailSpan[];
  /** Matching spans beyond the bounds. */
  readonly dropped: number;
};

export type TailBounds = { readonly maxSpans: number; readonly maxBytes: number };

const COLUMNS =
  "trace_id, span_id, parent_span_id, name, service_name, duration_ns, kind, status, start_ns";
const COLUMN_COUNT = 9;

/** The matching spans of one segment, in no order. Throws as `QueryRun` does. */
export async function tailSpans(
  run: QueryRun,
  meta: SegmentSummary,
  search: CompiledSearch,
  { maxSpans, maxBytes }: TailBounds,
): Promise<TailBatch> {
  await prepareSegments(run, search, [meta]);
  if (!search.mayMatch(0, meta)) return { spans: [], dropped: 0 };
  const { leaves, echo } = search.shape(meta);
  const [exactStart] = EXACT_TIME_COLUMNS;
  const start = meta.optionalColumns.includes(exactStart)
    ? `coalesce(${exactStart}, epoch_ns(start_time)::UBIGINT)`
    : "epoch_ns(start_time)::UBIGINT";
  const where = `FROM ${readSegments(run.context, [meta])} WHERE (${leaves[0] ?? "false"})`;
  const echoed = echo.map((sql, i) => `, ${sql} AS echo${i}`).join("");
  // A column that the filter does not need is read for the spans that are taken only.
  const sql = `SELECT ${COLUMNS.replace("start_ns", `${start} AS start_ns`)}${echoed} ${where}
    LIMIT ${maxSpans}`;
  const spans: TailSpan[] = [];
  let bytes = 0;
  await run.chunks(sql, ({ rowCount, columns }) => {
    for (let r = 0; r < rowCount && bytes < maxBytes; r++) {
      const row = columns.map((column) => column[r] ?? null);
      const span = readSpan(meta.tenant, search, row);
      bytes += span.bytes;
      spans.push(span);
    }
    return bytes < maxBytes;
  });
  if (spans.length < maxSpans && bytes < maxBytes) return { spans, dropped: 0 };
  const [row] = await run.rows(`SELECT count(*) ${where}`);
  return { spans, dropped: Number(row?.[0] ?? spans.length) - spans.length };
}

function readSpan(tenant: string, search: CompiledSearch, row: readonly SqlValue[]): TailSpan {
  const [traceId, spanId, parentSpanId, name, service, duration, kind, status, start] = row;
  const attributes: FoundAttribute[] = [];
  let bytes = 400 + 2 * ((name as string).length + (service as string).length);
  search.echo.forEach(({ key, decode }, i) => {
    const stored = row[COLUMN_COUNT + i];
    const value = stored === undefined || stored === null ? undefined : decode(stored);
    if (value === undefined) return;
    attributes.push({ key, value });
    bytes += 100 + 2 * (key.length + JSON.stringify(value).length);
  });
  const durationNanos = duration as bigint;
  return {
    tenant,
    traceId: traceId as string,
    spanId: spanId as bigint,
    parentSpanId: (parentSpanId as bigint | null) ?? undefined,
    name: name as string,
    serviceName: service as string,
    startUnixNano: start as bigint,
    durationNanos: durationNanos < 0n ? 0n : durationNanos,
    kind: kind as number,
    status: status as number,
    attributes,
    bytes,
  };
}
