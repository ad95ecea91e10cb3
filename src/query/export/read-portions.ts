import type { SqlValue } from "../../drivers/duckdb/database.ts";
import { combineStored } from "../combine-trace.ts";
import type { QueryEngine, QueryRun, RunOptions } from "../query-context.ts";
import { ofTracesSql, readSegments, timestampSql } from "../segment-sql.ts";
import type { StoredSpan, Trace } from "../trace.ts";
import type { TraceKey } from "../trace-key.ts";
import { findTraceParts } from "../trace-parts.ts";
import { storedSpans } from "./stored-spans.ts";

export type ReadPortionsRequest = {
  readonly tenant: string;
  readonly trace: TraceKey;
  /** Of one portion, about; a portion of one span may take more. */
  readonly maxBytes: number;
  /** Of the query that reads a portion. */
  readonly options: RunOptions;
};

/** Spans of the first try; fewer where they are large. */
const PORTION_SPANS = 4096;

/** The last span of a portion: all that come up to it were given. */
type Cursor = { readonly start: bigint; readonly spanId: bigint; readonly kind: bigint };
type Portion = { readonly spans: readonly StoredSpan[]; readonly last: Cursor | undefined };

/**
 * A trace that is too large to be held, in portions of its spans by start, id and kind. Each is a
 * query of its own and remembers the last span of the one before, not where that was stored, so that
 * segments may be merged in between.
 */
export async function* readPortions(
  engine: QueryEngine,
  { tenant, trace, maxBytes, options }: ReadPortionsRequest,
): AsyncGenerator<Trace, void, void> {
  let size = PORTION_SPANS;
  let after: Cursor | undefined;
  for (;;) {
    const bytes = size === 1 ? Number.POSITIVE_INFINITY : maxBytes;
    const portion = await engine.run(options, (run) =>
      readPortion(run, tenant, trace, { after, size, maxBytes: bytes }),
    );
    if (portion === undefined) {
      size = Math.max(1, size >> 2);
      continue;
    }
    if (portion.spans.length > 0) yield combineStored(portion.spans);
    if (portion.last === undefined) return;
    after = portion.last;
  }
}

async function readPortion(
  run: QueryRun,
  tenant: string,
  trace: TraceKey,
  { after, size, maxBytes }: { after: Cursor | undefined; size: number; maxBytes: number },
): Promise<Portion | undefined> {
  const whole = (await findTraceParts(run, run.segments(tenant), [trace])).get(trace.traceId);
  if (whole === undefined) return { spans: [], last: undefined };
  const { traceId } = trace;
  const parts = whole.parts.map((part) => ({ traceId, ...part }));
  const segments = [...new Set(parts.map(({ meta }) => meta))];
  const ofTrace = ofTracesSql(parts);
  const left = after === undefined ? ofTrace : `${ofTrace} AND ${afterSql(after)}`;
  const [row] = await run.rows(
    `SELECT epoch_ns(start_time), span_id, kind FROM (
        SELECT DISTINCT start_time, span_id, kind FROM ${readSegments(run.context, segments)}
        WHERE ${left} ORDER BY start_time, span_id, kind LIMIT ${size})
      ORDER BY start_time DESC, span_id DESC, kind DESC LIMIT 1`,
  );
  if (row === undefined) return { spans: [], last: undefined };
  const last = cursorOf(row);
  const upTo = `${left} AND NOT ${afterSql(last)}`;
  const spans = await storedSpans(run, segments, upTo, maxBytes);
  return spans && { spans, last };
}

/** Rows after the cursor in the order of the keys: written out, as the database fails on rows. */
function afterSql({ start, spanId, kind }: Cursor): string {
  const at = timestampSql(start);
  return `(start_time > ${at} OR (start_time = ${at}
    AND (span_id > ${spanId} OR (span_id = ${spanId} AND kind > ${kind}))))`;
}

function cursorOf([start, spanId, kind]: readonly SqlValue[]): Cursor {
  const numbers = [start, spanId, kind].map((value) => BigInt(value as bigint | number));
  return { start: numbers[0]!, spanId: numbers[1]!, kind: numbers[2]! };
}
