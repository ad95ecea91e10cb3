import type { SqlValue } from "../../drivers/duckdb/database.ts";
import { PintailError } from "../../errors.ts";
import type { SegmentMeta } from "../../schema/segment-meta.ts";
import { mayContainHash, traceIdHash } from "../../storage/segments/trace-filter.ts";
import { maxOf, minOf } from "../bigint-bounds.ts";
import type { QueryRun } from "../query-context.ts";
import { readSegments } from "../segment-sql.ts";
import { traceIdFromHex } from "../trace-id.ts";
import type { TracePart } from "../trace-parts.ts";
import { type BorderZones, borderZones, endOf, LONG_NANOS, SLACK_NANOS } from "./border-zones.ts";
import { idTable } from "./id-table.ts";
import { perFileSql } from "./overlay-sql.ts";
import { inRangesSql, type StartRange } from "./start-ranges.ts";

/** A trace with parts in two segments or more. */
export type SplitTrace = { readonly traceId: string; readonly parts: readonly TracePart[] };

/** A trace as far as its parts are known, and where it was looked for in vain. */
type KnownTrace = {
  readonly traceId: string;
  readonly parts: TracePart[];
  startUnixNano: bigint;
  endUnixNano: bigint;
  tried: Set<SegmentMeta> | undefined;
};

/**
 * The traces that have a part in a segment of `slice` and another part in any segment of `all`, each
 * with all its parts. Parts are taken to follow each other within `SLACK_NANOS`: that leads from one
 * part to the next, while parts further away are found only by luck. Rejects with `limited` when
 * more than `maxTraces` traces come into question.
 *
 * Only rows near the borders between segments are read, and those of long traces; where the latter
 * have further parts, the segments' trace filters tell.
 */
export async function findSplitTraces(
  run: QueryRun,
  slice: readonly SegmentMeta[],
  all: readonly SegmentMeta[],
  maxTraces: number,
): Promise<SplitTrace[]> {
  const zones = borderZones(slice, all);
  const known = new Map<string, KnownTrace>();
  const near = [...zones.whole, ...zones.partial];
  if (near.length > 0) {
    await addParts(run, known, near, zoneRowsSql(run, zones), { maxTraces, wanted: IN_QUESTION });
  }
  await followParts(run, known, all, zones, maxTraces);
  const inSlice = new Set(slice);
  return [...known.values()].filter(
    ({ parts }) => parts.length > 1 && parts.some(({ meta }) => inSlice.has(meta)),
  );
}

const ROW = "trace_id, trace_start, trace_duration_ns";
/** Split already, or long enough to have parts outside the zones. */
const IN_QUESTION = `count(*) > 1 OR max(duration) >= ${LONG_NANOS}`;
/** Two for each border between segments of a day. */
const MAX_ZONE_RANGES = 256;

/** `segment` is the place in `whole`, then `partial`. */
function zoneRowsSql(run: QueryRun, { whole, partial, ranges }: BorderZones): string {
  const selects: string[] = [];
  if (whole.length > 0) selects.push(rowsSql(run, whole, 0, "true"));
  if (partial.length > 0) {
    const first = whole.length;
    // Apart, since each alone lets the database skip row groups.
    if (ranges.length > 0) {
      selects.push(rowsSql(run, partial, first, inRangesSql(ranges, MAX_ZONE_RANGES)));
    }
    selects.push(rowsSql(run, partial, first, `trace_duration_ns >= ${LONG_NANOS}`));
  }
  return selects.join(" UNION ALL ");
}

function rowsSql(
  run: QueryRun,
  segments: readonly SegmentMeta[],
  firstNumber: number,
  where: string,
): string {
  const number = perFileSql(segments.map((_, i) => firstNumber + i));
  return `SELECT ${ROW}, ${number} AS segment FROM ${readSegments(run.context, segments)} WHERE ${where}`;
}

/** Enters the parts that the rows tell of, for the traces for which `wanted` holds. */
async function addParts(
  run: QueryRun,
  known: Map<string, KnownTrace>,
  segments: readonly SegmentMeta[],
  rows: string,
  { maxTraces, wanted }: { maxTraces: number; wanted: string },
): Promise<void> {
  const found = await run.rows(`SELECT trace_id, list(segment), list(start), list(duration) FROM (
      SELECT trace_id, segment, epoch_ns(any_value(trace_start)) AS start,
        any_value(trace_duration_ns) AS duration
      FROM (${rows}) GROUP BY trace_id, segment)
    GROUP BY trace_id HAVING ${wanted} LIMIT ${maxTraces + 1}`);
  if (found.length > maxTraces) {
    throw new PintailError(
      "limited",
      `more than ${maxTraces} traces lie in several segments or last longer than ${LONG_NANOS / 1_000_000_000n}s`,
    );
  }
  await run.forEach(found, (row) => addPartsOf(row, known, segments));
}

function addPartsOf(
  row: readonly SqlValue[],
  known: Map<string, KnownTrace>,
  segments: readonly SegmentMeta[],
): void {
  const [traceId, numbers, starts, durations] = row as [string, bigint[], bigint[], bigint[]];
  const trace: KnownTrace = known.get(traceId) ?? {
    traceId,
    parts: [],
    startUnixNano: starts[0]!,
    endUnixNano: starts[0]!,
    tried: undefined,
  };
  known.set(traceId, trace);
  for (const [i, number] of numbers.entries()) {
    const meta = segments[Number(number)]!;
    if (trace.parts.some((part) => part.meta === meta)) continue;
    trace.parts.push({ meta, startUnixNano: starts[i]! });
    trace.startUnixNano = minOf(trace.startUnixNano, starts[i]!);
    trace.endUnixNano = maxOf(trace.endUnixNano, starts[i]! + durations[i]!);
  }
}

/** Looks for parts outside of what was read, as far as what is found brings more segments near. */
async function followParts(
  run: QueryRun,
  known: Map<string, KnownTrace>,
  all: readonly SegmentMeta[],
  zones: BorderZones,
  maxTraces: number,
): Promise<void> {
  const whole = new Set(zones.whole);
  const partial = new Set(zones.partial);
  const left = all.filter((meta) => !whole.has(meta));
  for (;;) {
    const open = new Map<SegmentMeta, StartRange>();
    const ids: string[] = [];
    await run.forEach([...known.values()], (trace) => {
      let hash: Uint32Array | undefined;
      for (const meta of left) {
        if (!isNear(meta, trace) || isKnown(meta, trace)) continue;
        hash ??= traceIdHash(traceIdFromHex(trace.traceId));
        if (!mayContainHash(meta.traceFilter, hash)) continue;
        trace.tried = (trace.tried ?? new Set()).add(meta);
        if (ids.at(-1) !== trace.traceId) ids.push(trace.traceId);
        const range = rangeOf(meta, trace, partial.has(meta));
        const other = open.get(meta) ?? range;
        open.set(meta, { from: minOf(range.from, other.from), to: maxOf(range.to, other.to) });
      }
    });
    if (open.size === 0) return;
    const metas = [...open.keys()];
    const table = await idTable(run, ids);
    try {
      const where = `trace_id IN (SELECT trace_id FROM ${table.name})
        AND (${inRangesSql([...open.values()], MAX_ZONE_RANGES)})`;
      const rows = rowsSql(run, metas, 0, where);
      await addParts(run, known, metas, rows, { maxTraces, wanted: "true" });
    } finally {
      await table[Symbol.asyncDispose]();
    }
  }
}

function isNear(meta: SegmentMeta, trace: KnownTrace): boolean {
  return (
    meta.minTraceStart <= trace.endUnixNano + SLACK_NANOS &&
    endOf(meta) >= trace.startUnixNano - SLACK_NANOS
  );
}

function isKnown(meta: SegmentMeta, { parts, tried }: KnownTrace): boolean {
  return tried?.has(meta) === true || parts.some((part) => part.meta === meta);
}

/** Where the trace's part in the segment starts; of a segment read in part, long ones are known. */
function rangeOf(meta: SegmentMeta, trace: KnownTrace, longAreKnown: boolean): StartRange {
  const to = minOf(trace.endUnixNano + SLACK_NANOS, meta.maxTraceStart);
  const from = trace.startUnixNano - SLACK_NANOS - LONG_NANOS;
  return { from: longAreKnown ? maxOf(from, meta.minTraceStart) : meta.minTraceStart, to };
}
