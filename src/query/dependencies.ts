import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { FieldRef } from "../traceql/ast.ts";
import { fieldToSql } from "../traceql/sql/field.ts";
import { shapeOf } from "../traceql/sql/segment-shape.ts";
import type { QueryEngine, QueryRun } from "./query-context.ts";
import { readSegments, timestampSql } from "./segment-sql.ts";
import { segmentsOverlapping, type TimeRange } from "./time-range.ts";

export type Dependency = {
  /** The service that calls. */
  readonly parent: string;
  readonly child: string;
  /** Spans of `child` whose parent is one of `parent`, and those of them that failed. */
  readonly callCount: number;
  readonly errorCount: number;
};

export type DependenciesRequest = {
  readonly tenants: readonly string[];
  /** In which the called span starts. */
  readonly range: TimeRange;
  readonly signal?: AbortSignal | undefined;
};

/** More pairs than anyone can look at; the rarest are left out beyond it. */
const MAX_PAIRS = 10_000;
const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;
const ERROR = 2;
const PEER_SERVICE: FieldRef = { type: "attribute", scope: "span", key: "peer.service" };

/**
 * Which services call which, by the parents of spans: sorted by names. Zipkin's shared spans, a
 * client and a server span of one id, are a call themselves. A client span that nobody answered with
 * a span of his own calls what its attribute `peer.service` names: a database, or another's service.
 */
export function serviceDependencies(
  engine: QueryEngine,
  request: DependenciesRequest,
): Promise<readonly Dependency[]> {
  const { tenants, signal } = request;
  const timeoutMs = engine.context.settings.searchTimeoutMs;
  return engine.run({ tenants, signal, timeoutMs }, async (run) => {
    const found = new Map<string, Dependency>();
    for (const tenant of tenants) {
      for (const dependency of await ofTenant(run, tenant, request.range)) {
        const { parent, child } = dependency;
        const key = JSON.stringify([parent, child]);
        found.set(key, sum(found.get(key), dependency));
      }
    }
    return [...found.values()].sort(
      (a, b) => compare(a.parent, b.parent) || compare(a.child, b.child),
    );
  });
}

async function ofTenant(run: QueryRun, tenant: string, range: TimeRange): Promise<Dependency[]> {
  const segments = segmentsOverlapping(run.segments(tenant), range);
  if (segments.length === 0) return [];
  const spans = await spanRows(run, segments, range);
  // Few systems have shared spans, and a look is cheaper than to mind them everywhere.
  const [anyShared] = await run.rows(`${withRows(spans)} SELECT 1 FROM ${SHARED} LIMIT 1`);
  const statement = statementOf(spans, anyShared !== undefined);
  const rows = await run.rows(statement, { maxRows: MAX_PAIRS });
  return rows.map(([parent, child, callCount, errorCount]) => ({
    parent: parent as string,
    child: child as string,
    callCount: Number(callCount),
    errorCount: Number(errorCount),
  }));
}

/** A SELECT of what the statement needs of each span; one part for each home of `peer.service`. */
async function spanRows(
  run: QueryRun,
  segments: readonly SegmentSummary[],
  { startUnixNano, endUnixNano }: TimeRange,
): Promise<string> {
  const groups = new Map<string, SegmentSummary[]>();
  await run.withKeys(segments, (meta) => {
    const peer = fieldToSql(PEER_SERVICE, shapeOf(meta, [PEER_SERVICE]));
    const text = peer === undefined ? "NULL::VARCHAR" : `(${peer.text}).s`;
    const group = groups.get(text);
    if (group === undefined) groups.set(text, [meta]);
    else group.push(meta);
  });
  const inRange = `start_time BETWEEN ${timestampSql(startUnixNano)} AND ${timestampSql(endUnixNano)}`;
  const columns = "trace_id, span_id, parent_span_id, kind, status, service_name";
  return Array.from(
    groups,
    ([peer, group]) =>
      `SELECT ${columns}, ${inRange} AS in_range, ${peer} AS peer FROM ${readSegments(run.context, group)}`,
  ).join(" UNION ALL ");
}

/** Spans are read anew by each part that needs them: all of them would take too much memory. */
function withRows(spans: string): string {
  return `WITH rows AS NOT MATERIALIZED (${spans})`;
}

/** Server spans `s` with the client span `c` of the same id. */
const SHARED = `(SELECT * FROM rows WHERE kind = ${SERVER}) s
  JOIN (SELECT * FROM rows WHERE kind = ${CLIENT}) c
    ON s.trace_id = c.trace_id AND s.span_id = c.span_id`;

/**
 * Of two spans that share an id the server's is called by the client's, and is the parent of what
 * has their id as its parent.
 */
function statementOf(spans: string, hasShared: boolean): string {
  const unshared = (kind: number): string =>
    hasShared
      ? `AND NOT (kind = ${kind} AND (trace_id, span_id) IN (SELECT (trace_id, span_id) FROM shared))`
      : "";
  const shared = hasShared
    ? `, shared AS MATERIALIZED (
      SELECT s.trace_id, s.span_id, c.service_name AS parent, s.service_name AS child, s.status,
        s.in_range
      FROM ${SHARED})`
    : "";
  return `${withRows(spans)}${shared},
    calls AS (
      SELECT p.service_name AS parent, c.service_name AS child, c.status
      FROM (SELECT * FROM rows WHERE in_range ${unshared(SERVER)}) c
      JOIN (SELECT * FROM rows WHERE true ${unshared(CLIENT)}) p
        ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id
      WHERE c.service_name <> p.service_name
      ${hasShared ? "UNION ALL SELECT parent, child, status FROM shared WHERE in_range" : ""}
      UNION ALL SELECT r.service_name AS parent, r.peer AS child, r.status
      FROM (SELECT * FROM rows WHERE in_range AND peer <> ''
        AND kind IN (${CLIENT}, ${PRODUCER}) ${unshared(CLIENT)}) r
      ANTI JOIN (SELECT * FROM rows WHERE kind IN (${SERVER}, ${CONSUMER})) c
        ON r.trace_id = c.trace_id AND r.span_id = c.parent_span_id)
    SELECT parent, child, count(*), count(*) FILTER (status = ${ERROR}) FROM calls
    WHERE parent <> child AND parent <> '' AND child <> ''
    GROUP BY parent, child ORDER BY count(*) DESC, parent, child LIMIT ${MAX_PAIRS}`;
}

function sum(a: Dependency | undefined, b: Dependency): Dependency {
  if (a === undefined) return b;
  return {
    ...b,
    callCount: a.callCount + b.callCount,
    errorCount: a.errorCount + b.errorCount,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
