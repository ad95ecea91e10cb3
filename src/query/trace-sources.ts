import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { SpanSource } from "./base-spans.ts";
import type { CompiledSearch } from "./compiled-search.ts";
import { prepareSegments } from "./prepare-segments.ts";
import type { QueryRun } from "./query-context.ts";
import { startsAt } from "./remote/row-groups.ts";
import { ofTracesSql, readSegments } from "./segment-sql.ts";
import type { TraceKey } from "./trace-key.ts";
import type { WholeTrace } from "./trace-parts.ts";
import { overlayTraces } from "./whole-traces/open-overlay.ts";
import type { TraceOverlay } from "./whole-traces/trace-overlay.ts";

/**
 * Works with the rows of these traces and no others. They have `start_ns`, the exact start of the
 * span, and tell of whole traces where that makes a difference, which costs statements.
 */
export async function withTraceSources<T>(
  run: QueryRun,
  search: CompiledSearch,
  traces: readonly WholeTrace[],
  work: (sources: readonly SpanSource[]) => Promise<T>,
): Promise<T> {
  const { needsWholeTraces } = search.pipeline;
  if (!needsWholeTraces) {
    const metas = new Set(traces.flatMap(({ parts }) => parts.map(({ meta }) => meta)));
    await prepareSegments(run, search, [...metas]);
    return await work(storedSources(run, search, traces));
  }
  const overlay = await overlayTraces(run, traces);
  try {
    await prepareSegments(run, search, overlay.segments);
    return await work(wholeSources(search, overlay));
  } finally {
    await overlay[Symbol.asyncDispose]();
  }
}

function storedSources(
  run: QueryRun,
  search: CompiledSearch,
  traces: readonly WholeTrace[],
): SpanSource[] {
  const keys = new Map<SegmentSummary, TraceKey[]>();
  for (const { traceId, parts } of traces) {
    for (const { meta, startUnixNano } of parts) {
      const known = keys.get(meta);
      if (known === undefined) keys.set(meta, [{ traceId, startUnixNano }]);
      else known.push({ traceId, startUnixNano });
    }
  }
  const groups = Map.groupBy(keys.keys(), (meta) =>
    JSON.stringify([search.shape(meta).key, hasExactTimes(meta)]),
  );
  let files = 0;
  return Array.from(groups.values(), (segments) => {
    const rowId = `((file_index::BIGINT + ${files}) << 32) + file_row_number`;
    files += segments.length;
    const [first] = segments as [SegmentSummary, ...SegmentSummary[]];
    const ofThese = segments.flatMap((meta) => keys.get(meta) ?? []);
    const rowGroups = startsAt(ofThese.map(({ startUnixNano }) => startUnixNano));
    return {
      from: readSegments(run.context, segments, { rowGroups }),
      where: ofTracesSql(ofThese),
      columns: { row_id: rowId, start_ns: startSql(first) },
      shape: search.shape(first),
      mayMatch: (leaf) => segments.some((meta) => search.mayMatch(leaf, meta)),
    };
  });
}

function wholeSources(search: CompiledSearch, overlay: TraceOverlay): SpanSource[] {
  const groups = Map.groupBy(overlay.segments, (meta) =>
    JSON.stringify([search.shape(meta).key, hasExactTimes(meta), overlay.isOverlaid(meta)]),
  );
  return Array.from(groups.values(), (segments) => {
    const [first] = segments as [SegmentSummary, ...SegmentSummary[]];
    const mayMatch = overlay.isOverlaid(first) ? search.mayMatchWhole : search.mayMatch;
    return {
      from: overlay.from(segments),
      where: undefined,
      columns: { start_ns: startSql(first) },
      shape: search.shape(first),
      mayMatch: (leaf) => segments.some((meta) => mayMatch(leaf, meta)),
    };
  });
}

function startSql(meta: SegmentSummary): string {
  const stored = "epoch_ns(start_time)::UBIGINT";
  return hasExactTimes(meta) ? `coalesce(start_unix_nano, ${stored})` : stored;
}

function hasExactTimes(meta: SegmentSummary): boolean {
  return meta.optionalColumns.includes("start_unix_nano");
}
