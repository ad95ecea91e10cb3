import { PintailError } from "../errors.ts";
import { maxOf, minOf } from "../query/bigint-bounds.ts";
import type { QueryEngine } from "../query/query-context.ts";
import { searchTraces } from "../query/search.ts";
import type { TimeRange } from "../query/time-range.ts";
import { traceIdFromHex } from "../query/trace-id.ts";
import { printSpanset } from "../traceql/print.ts";
import { strictestLimits } from "./http/limits.ts";
import { wholeSeconds } from "./http/whole-seconds.ts";
import { type JaegerConditions, jaegerCondition } from "./jaeger-condition.ts";
import { searchRequest } from "./search-request.ts";

export type JaegerSearch = JaegerConditions & {
  readonly range: TimeRange;
  /** Most traces; undefined = as many as Jaeger gives. */
  readonly limit: number | undefined;
};

/** Of Jaeger's server. */
const DEFAULT_LIMIT = 100;
/** The most that Jaeger's UI asks for. Each trace is read by itself. */
const MAX_LIMIT = 1500;
/** Where no start is given. */
export const LOOKBACK_MS = 2 * 86_400_000;
const MS_NANOS = 1_000_000n;

export type Asker = {
  readonly engine: QueryEngine;
  readonly tenants: readonly string[];
  readonly signal: AbortSignal;
};

/** Ids of the traces that hold a span with all the conditions, newest first. Throws `invalid`. */
export async function findJaegerTraces(
  { engine, tenants, signal }: Asker,
  search: JaegerSearch,
): Promise<Uint8Array[]> {
  const { startUnixNano, endUnixNano } = search.range;
  if (startUnixNano > endUnixNano) throw new PintailError("invalid", "start is after end");
  const { limitsFor } = engine.context;
  const { maxSearchLimit } = strictestLimits(tenants.map((tenant) => limitsFor(tenant)));
  const limit = search.limit ?? Math.min(DEFAULT_LIMIT, maxSearchLimit || DEFAULT_LIMIT);
  if (limit < 1 || limit > MAX_LIMIT) {
    throw new PintailError("invalid", `limit is not between 1 and ${MAX_LIMIT}`);
  }
  const seconds = wholeSeconds({
    fromMs: Number(startUnixNano / MS_NANOS),
    toMs: Number(endUnixNano / MS_NANOS) + 1,
  });
  const params = new URLSearchParams({
    q: printSpanset({ type: "filter", expr: jaegerCondition(search) }),
    ...seconds,
    limit: String(limit),
    spss: "1",
  });
  const { request } = searchRequest(engine.context, params, tenants);
  const range = request.range && within(request.range, search.range);
  const { traces } = await searchTraces(engine, { ...request, range, signal });
  return traces.map(({ traceId }) => traceIdFromHex(traceId));
}

/** Whole seconds are as far as Tempo's parameters go, and its settings may end earlier. */
function within(checked: TimeRange, exact: TimeRange): TimeRange {
  return {
    startUnixNano: maxOf(exact.startUnixNano, checked.startUnixNano),
    endUnixNano: minOf(exact.endUnixNano, checked.endUnixNano),
  };
}
