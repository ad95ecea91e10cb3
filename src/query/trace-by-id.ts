import type { RowChunk } from "../drivers/duckdb/database.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import { mayContainHash, traceIdHash } from "../storage/segments/trace-filter.ts";
import { minOf } from "./bigint-bounds.ts";
import { combineTrace } from "./combine-trace.ts";
import { isHidden } from "./hidden-traces.ts";
import type { QueryEngine, QueryRun } from "./query-context.ts";
import { RowsToSpans, storedColumns } from "./rows-to-spans.ts";
import { columnListSql, readSegments, traceIdSql } from "./segment-sql.ts";
import { attributesBytes, estimateSpanBytes } from "./span-size.ts";
import { segmentsOverlapping, type TimeRange } from "./time-range.ts";
import type { InstrumentationScope, Resource, StoredSpan, Trace } from "./trace.ts";
import { traceIdToHex } from "./trace-id.ts";

export type TraceByIdRequest = {
  readonly tenants: readonly string[];
  /** 16 bytes. */
  readonly traceId: Uint8Array;
  /** Both or neither; only prunes segments, spans are never cut by time. */
  readonly startUnixNano?: bigint | undefined;
  readonly endUnixNano?: bigint | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type TraceByIdResult = {
  /** Without groups when the trace is unknown. */
  readonly trace: Trace;
  /** The bound that the trace exceeded; `trace` then holds a part of it. */
  readonly exceededBytes: number | undefined;
  /** Bytes of the segments that were opened. */
  readonly inspectedBytes: number;
};

/**
 * The trace with this id, of all segments that hold parts of it. Reads two columns of the segments
 * whose trace filter lets the id through, then all columns of the rows found and of no others.
 */
export function traceById(
  engine: QueryEngine,
  request: TraceByIdRequest,
): Promise<TraceByIdResult> {
  const { tenants, signal } = request;
  const timeoutMs = engine.context.settings.traceByIdTimeoutMs;
  return engine.run({ tenants, signal, timeoutMs }, (run) => findTrace(run, request));
}

async function findTrace(run: QueryRun, request: TraceByIdRequest): Promise<TraceByIdResult> {
  const traceId = traceIdToHex(request.traceId);
  const reader = new RowsToSpans();
  const spans: StoredSpan[] = [];
  let inspectedBytes = 0;
  let exceededBytes: number | undefined;
  for (const tenant of request.tenants) {
    const maxBytes = run.context.limitsFor(tenant).maxBytesPerTrace;
    const hash = traceIdHash(request.traceId);
    const candidates: SegmentSummary[] = [];
    await run.withFilters(segmentsOverlapping(run.segments(tenant), rangeOf(request)), (meta) => {
      if (mayContainHash(meta.traceFilter, hash) && !isHidden(meta, traceId)) candidates.push(meta);
    });
    for (const meta of candidates) inspectedBytes += meta.byteSize;
    const budget: TraceBudget = { maxBytes, usedBytes: 0, owners: new Set() };
    for (const part of await locate(run, candidates, request.traceId)) {
      if (!(await fetchPart(run, part, traceId, reader, spans, budget))) {
        exceededBytes = maxBytes;
        break;
      }
    }
  }
  return { trace: combineTrace(spans), exceededBytes, inspectedBytes };
}

/** The request's range is half open. */
function rangeOf({ startUnixNano, endUnixNano }: TraceByIdRequest): TimeRange | undefined {
  if (startUnixNano === undefined || endUnixNano === undefined) return undefined;
  return { startUnixNano: startUnixNano + 1n, endUnixNano: endUnixNano - 1n };
}

/** Rows `[firstRow, lastRow]` of a segment: a trace's rows are adjacent. */
type TracePart = {
  readonly meta: SegmentSummary;
  readonly firstRow: bigint;
  readonly lastRow: bigint;
};

/** Parts in the order of `candidates`. */
async function locate(
  run: QueryRun,
  candidates: readonly SegmentSummary[],
  traceId: Uint8Array,
): Promise<TracePart[]> {
  const parts = new Map<SegmentSummary, TracePart>();
  const unread: SegmentSummary[] = [];
  for (const meta of candidates) {
    run.throwIfOver();
    const found = await run.context.segmentReaders?.attempt(
      meta,
      (r) => r.findTrace(traceId),
      run.signal,
    );
    if (found === undefined) unread.push(meta);
    else if (found.result !== undefined) {
      const { fromRow, toRow } = found.result;
      parts.set(meta, { meta, firstRow: BigInt(fromRow), lastRow: BigInt(toRow - 1) });
    }
  }
  for (const part of await locateByDatabase(run, unread, traceId)) parts.set(part.meta, part);
  return candidates.flatMap((meta) => parts.get(meta) ?? []);
}

async function locateByDatabase(
  run: QueryRun,
  candidates: readonly SegmentSummary[],
  traceId: Uint8Array,
): Promise<TracePart[]> {
  if (candidates.length === 0) return [];
  const id = traceIdSql(traceIdToHex(traceId));
  const selects = candidates.map(
    (meta, index) =>
      `SELECT ${index} AS segment, min(file_row_number), max(file_row_number)
        FROM ${readSegments(run.context, [meta], { with: "file_row_number" })}
        WHERE trace_id = ${id} HAVING count(*) > 0`,
  );
  const rows = await run.rows(`${selects.join(" UNION ALL ")} ORDER BY 1`);
  return rows.map(([index, firstRow, lastRow]) => ({
    meta: candidates[Number(index)]!,
    firstRow: firstRow as bigint,
    lastRow: lastRow as bigint,
  }));
}

/** From about here on the database is faster, and does its work on other threads. */
const MAX_READER_ROWS = 2000n;
/** A huge trace is read in portions, so that the byte bound ends it before memory does. */
const PORTION_ROWS = 20_000n;
type TraceBudget = {
  readonly maxBytes: number;
  usedBytes: number;
  /** Resources and scopes that count already. */
  readonly owners: Set<Resource | InstrumentationScope>;
};

/** Appends the part's spans; false when the budget ran out, some of the spans are then there. */
async function fetchPart(
  run: QueryRun,
  part: TracePart,
  traceId: string,
  reader: RowsToSpans,
  spans: StoredSpan[],
  budget: TraceBudget,
): Promise<boolean> {
  const isWithin = () => budget.maxBytes === 0 || budget.usedBytes <= budget.maxBytes;
  const add = (chunk: RowChunk, names: readonly string[]): void => {
    for (const stored of reader.read(chunk, names)) {
      if (stored.span.traceId !== traceId) continue;
      spans.push(stored);
      budget.usedBytes += estimateSpanBytes(stored);
      for (const owner of [stored.resource, stored.scope]) {
        if (budget.owners.has(owner)) continue;
        budget.owners.add(owner);
        budget.usedBytes += attributesBytes(owner.attributes);
      }
    }
  };
  if (part.lastRow - part.firstRow < MAX_READER_ROWS) {
    run.throwIfOver();
    const block = await run.context.segmentReaders?.attempt(
      part.meta,
      (r) => r.readRows(Number(part.firstRow), Number(part.lastRow) + 1),
      run.signal,
    );
    if (block !== undefined) {
      add(block.result, block.result.names);
      return isWithin();
    }
  }
  const names = storedColumns(part.meta);
  const source = readSegments(run.context, [part.meta], { with: "file_row_number" });
  for (let first = part.firstRow; first <= part.lastRow; first += PORTION_ROWS) {
    const last = minOf(first + PORTION_ROWS - 1n, part.lastRow);
    // Row numbers alone are the cheapest way to the rows: each further condition decodes a column.
    const statement = `SELECT ${columnListSql(names)} FROM ${source}
      WHERE file_row_number BETWEEN ${first} AND ${last}`;
    await run.chunks(statement, (chunk) => {
      add(chunk, names);
      return isWithin();
    });
    if (!isWithin()) return false;
  }
  return true;
}
