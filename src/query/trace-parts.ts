import type { SqlValue } from "../drivers/duckdb/database.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import { endOfSegment, type Instants, segmentsIn } from "../storage/catalog/time-index.ts";
import { mayContainHash, traceIdHash } from "../storage/segments/trace-filter.ts";
import { maxOf, minOf } from "./bigint-bounds.ts";
import type { QueryRun } from "./query-context.ts";
import { startsAt } from "./remote/row-groups.ts";
import { ofTracesSql, readSegments, traceIdSql } from "./segment-sql.ts";
import { traceIdFromHex } from "./trace-id.ts";
import type { TraceKey } from "./trace-key.ts";
import { groupByNarrowColumns, isRootSql } from "./whole-traces/narrow-columns.ts";

/** What one segment holds of a trace. */
export type TracePart = {
  readonly meta: SegmentSummary;
  readonly startUnixNano: bigint;
};

/** Of the root span that starts first, ties by span id. */
export type TraceRoot = { readonly serviceName: string; readonly spanName: string };

/** A trace over all segments that hold parts of it. */
export type WholeTrace = {
  readonly traceId: string;
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  readonly root: TraceRoot | undefined;
  readonly parts: readonly TracePart[];
};

/**
 * Other parts are looked for in segments that come at most this near to a part that was found. A
 * segment's filter lets one foreign id in a hundred pass, so that each look at all segments of a
 * month would read a good part of them for nothing.
 */
const MAX_GAP_NANOS = 3_600_000_000_000n;

/**
 * All parts of these traces. `candidates` have the start of one part each, which leads to it
 * cheaply; other parts are then looked for where segments' trace filters say they may be. Traces
 * that no segment holds are absent from the answer.
 */
export async function findTraceParts(
  run: QueryRun,
  segments: readonly SegmentSummary[],
  candidates: readonly TraceKey[],
): Promise<Map<string, WholeTrace>> {
  const traces = new Map<string, WholeTrace>();
  const tried = new Map<TraceKey, Instants>();
  const open = await openPairs(run, segments, candidates, traces, tried);
  // First the parts that start where a candidate says: row groups are skipped by their start.
  const atStart = open.filter(({ meta, key }) => mayStartIn(meta, key));
  if (atStart.length > 0) {
    const metas = [...new Set(atStart.map(({ meta }) => meta))];
    const where = ofTracesSql(candidates);
    const rowGroups = startsAt(candidates.map(({ startUnixNano }) => startUnixNano));
    await addParts(
      run,
      traces,
      metas,
      `SELECT ${COLUMNS} FROM ${readSegments(run.context, metas, { with: "filename", rowGroups })} WHERE ${where}`,
    );
  }
  // Then the others, which are searched whole. What is found may bring more segments near.
  let near = open;
  for (;;) {
    const left = near.filter(({ meta, key }) => !isFound(traces, meta, key));
    if (left.length > 0) await addParts(run, traces, ...searchWhole(run, left));
    near = await openPairs(run, segments, candidates, traces, tried);
    if (near.length === 0) break;
  }
  await chooseRoots(run, traces);
  return traces;
}

function isFound(traces: ReadonlyMap<string, WholeTrace>, meta: SegmentSummary, key: TraceKey) {
  return traces.get(key.traceId)?.parts.some((part) => part.meta === meta) ?? false;
}

/** Each segment for the ids that its filter lets pass. */
function searchWhole(run: QueryRun, pairs: readonly Pair[]): [SegmentSummary[], string] {
  const ids = new Map<SegmentSummary, string[]>();
  for (const { meta, key } of pairs) {
    const known = ids.get(meta);
    if (known === undefined) ids.set(meta, [traceIdSql(key.traceId)]);
    else known.push(traceIdSql(key.traceId));
  }
  const selects = Array.from(ids, ([meta, list]) => {
    const condition = list.length === 1 ? `= ${list[0]}` : `IN (${list.join(", ")})`;
    return `SELECT ${COLUMNS} FROM ${readSegments(run.context, [meta], { with: "filename" })}
      WHERE trace_id ${condition}`;
  });
  return [[...ids.keys()], selects.join(" UNION ALL ")];
}

type Pair = { readonly meta: SegmentSummary; readonly key: TraceKey };

/**
 * Which segment may hold which trace, as far as it is near, and was not near enough before: `tried`
 * has within what time that was, and is told.
 */
async function openPairs(
  run: QueryRun,
  segments: readonly SegmentSummary[],
  candidates: readonly TraceKey[],
  traces: ReadonlyMap<string, WholeTrace>,
  tried: Map<TraceKey, Instants>,
): Promise<Pair[]> {
  const asked = new Map<SegmentSummary, TraceKey[]>();
  await run.forEach(candidates, (key) => {
    const known = traces.get(key.traceId);
    const near = {
      startUnixNano: (known?.startUnixNano ?? key.startUnixNano) - MAX_GAP_NANOS,
      endUnixNano: (known?.endUnixNano ?? key.startUnixNano) + MAX_GAP_NANOS,
    };
    const before = tried.get(key);
    tried.set(key, near);
    for (const meta of newlyNear(segments, near, before)) {
      const keys = asked.get(meta);
      if (keys === undefined) asked.set(meta, [key]);
      else keys.push(key);
    }
  });
  const hashes = new Map<TraceKey, Uint32Array>();
  const hashOf = (key: TraceKey): Uint32Array => {
    const hash = hashes.get(key) ?? traceIdHash(traceIdFromHex(key.traceId));
    hashes.set(key, hash);
    return hash;
  };
  const pairs: Pair[] = [];
  await run.withFilters([...asked.keys()], (meta) => {
    for (const key of asked.get(meta) ?? []) {
      if (mayContainHash(meta.traceFilter, hashOf(key))) pairs.push({ meta, key });
    }
  });
  return pairs;
}

function newlyNear(
  segments: readonly SegmentSummary[],
  near: Instants,
  before: Instants | undefined,
): readonly SegmentSummary[] {
  if (before === undefined) return segmentsIn(segments, near);
  const { startUnixNano, endUnixNano } = before;
  if (startUnixNano <= near.startUnixNano && near.endUnixNano <= endUnixNano) return [];
  return segmentsIn(segments, near).filter(
    (meta) => meta.minTraceStart > endUnixNano || endOfSegment(meta) < startUnixNano,
  );
}

function mayStartIn(meta: SegmentSummary, { startUnixNano }: TraceKey): boolean {
  return meta.minTraceStart <= startUnixNano && startUnixNano <= meta.maxTraceStart;
}

const COLUMNS =
  "trace_id, filename, trace_start, trace_duration_ns, root_service_name, root_span_name";

async function addParts(
  run: QueryRun,
  traces: Map<string, WholeTrace>,
  segments: readonly SegmentSummary[],
  select: string,
): Promise<void> {
  const byId = new Map(segments.map((meta) => [meta.id, meta]));
  const rows = await run.rows(
    `SELECT trace_id, filename, epoch_ns(trace_start), any_value(trace_duration_ns),
        any_value(root_service_name), any_value(root_span_name)
      FROM (${select}) GROUP BY trace_id, filename, trace_start
      ORDER BY trace_id, trace_start, filename`,
  );
  for (const row of rows) {
    const part = readPart(row, byId);
    const known = traces.get(part.traceId);
    traces.set(part.traceId, known === undefined ? part : merged(known, part));
  }
}

/** The id that the name of each of a segment's files begins with. */
const SEGMENT_OF_FILE = /([^/\\]{26})[^/\\]*$/;

function readPart(row: readonly SqlValue[], byId: ReadonlyMap<string, SegmentSummary>): WholeTrace {
  const [traceId, path, start, duration, serviceName, spanName] = row as [
    string,
    string,
    bigint,
    bigint,
    string,
    string,
  ];
  const meta = byId.get(SEGMENT_OF_FILE.exec(path)?.[1] ?? "");
  if (meta === undefined) throw new Error("the database names a file that was not asked for");
  const known = serviceName !== "" || spanName !== "";
  return {
    traceId,
    startUnixNano: start,
    endUnixNano: start + duration,
    root: known ? { serviceName, spanName } : undefined,
    parts: [{ meta, startUnixNano: start }],
  };
}

function merged(a: WholeTrace, b: WholeTrace): WholeTrace {
  return {
    traceId: a.traceId,
    startUnixNano: minOf(a.startUnixNano, b.startUnixNano),
    endUnixNano: maxOf(a.endUnixNano, b.endUnixNano),
    root: a.root ?? b.root,
    parts: [...a.parts, ...b.parts],
  };
}

/** Several parts may have a root each. */
async function chooseRoots(run: QueryRun, traces: Map<string, WholeTrace>): Promise<void> {
  const split = [...traces.values()].filter(({ parts }) => parts.length > 1);
  if (split.length === 0) return;
  const metas = [...new Set(split.flatMap(({ parts }) => parts.map(({ meta }) => meta)))];
  const keys = split.flatMap(({ traceId, parts }) =>
    parts.map(({ startUnixNano }) => ({ traceId, startUnixNano })),
  );
  const rowGroups = startsAt(keys.map(({ startUnixNano }) => startUnixNano));
  const where = ofTracesSql(keys);
  const selects = groupByNarrowColumns(metas.map((meta) => ({ meta }))).map((group) => {
    const segments = group.map(({ meta }) => meta);
    // Each part's own root is known by its names, which are those of no root where there is none.
    return `SELECT trace_id, start_time, span_id, service_name, name
      FROM ${readSegments(run.context, segments, { rowGroups })}
      WHERE ${where} AND name = root_span_name AND service_name = root_service_name
        AND ${isRootSql(segments[0]!)}`;
  });
  const rows = await run.rows(
    `SELECT trace_id, min({'start': start_time, 'id': span_id, 'service': service_name, 'span': name})
      FROM (${selects.join(" UNION ALL ")}) GROUP BY trace_id`,
  );
  for (const [traceId, root] of rows as [string, { service: string; span: string }][]) {
    const { service: serviceName, span: spanName } = root;
    traces.set(traceId, { ...traces.get(traceId)!, root: { serviceName, spanName } });
  }
}
