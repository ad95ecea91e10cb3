import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { traceIdHash } from "../../storage/segments/trace-filter.ts";
import { perContext } from "../per-context.ts";
import type { QueryRun } from "../query-context.ts";
import { readSegments } from "../segment-sql.ts";
import { traceIdFromHex } from "../trace-id.ts";
import type { PartTimes } from "./known-traces.ts";
import { groupByNarrowColumns, narrowColumnsSql } from "./narrow-columns.ts";
import { perFileSql } from "./overlay-sql.ts";
import { PartRows } from "./part-rows.ts";

/** A trace of a segment: its rows are `firstRow` to `endRow` of the file. */
export type ResidentTrace = PartTimes & {
  readonly traceId: string;
  readonly hash: Uint32Array;
  readonly firstRow: number;
  endRow: number;
};

/** What traces' columns follow from, of all of a small segment. */
export type ResidentSegment = {
  readonly traces: ReadonlyMap<string, ResidentTrace>;
  /** In file order. */
  readonly rows: PartRows;
};

export type ResidentLimits = {
  readonly maxRows: number;
  /** Read by one query: the first of a fresh process would have to read them all. */
  readonly maxReadRows: number;
};

/** About 60 bytes a row, and 300 a trace; reading costs some 5 µs a row. */
const DEFAULT_LIMITS: ResidentLimits = { maxRows: 300_000, maxReadRows: 40_000 };

/**
 * The newest segments are many and small, nearly all of their traces lie in several, and every
 * query meets them again: what traces' columns follow from is read once and kept, as long as the
 * catalog knows the segment.
 */
export class ResidentSegments {
  readonly #limits: ResidentLimits;
  /** By the catalog's description, so that they go with it. */
  readonly #segments = new WeakMap<SegmentSummary, ResidentSegment>();
  /** What `#segments` holds, least recently used first. */
  readonly #held = new Map<WeakRef<SegmentSummary>, number>();
  #rowCount = 0;

  constructor(limits: ResidentLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** Those of level 0 that are here, and those that can be read within the limits, latest first. */
  async load(
    run: QueryRun,
    segments: readonly SegmentSummary[],
  ): Promise<ReadonlyMap<SegmentSummary, ResidentSegment>> {
    const wanted = this.#wanted(segments);
    const read = await readResidents(
      run,
      wanted.filter((meta) => !this.#segments.has(meta)),
    );
    const found = new Map<SegmentSummary, ResidentSegment>();
    for (const meta of wanted) {
      const segment = read.get(meta) ?? this.#segments.get(meta);
      // Absent: given up for another query's while this one was reading.
      if (segment !== undefined) found.set(meta, segment);
    }
    this.#keep(found);
    return found;
  }

  #wanted(segments: readonly SegmentSummary[]): SegmentSummary[] {
    const latest = segments.filter(({ level }) => level === 0);
    latest.sort((a, b) => (a.id > b.id ? -1 : 1));
    const { maxRows, maxReadRows } = this.#limits;
    let rows = 0;
    let readRows = 0;
    return latest.filter((meta) => {
      rows += meta.rowCount;
      if (!this.#segments.has(meta)) readRows += meta.rowCount;
      return rows <= maxRows && (this.#segments.has(meta) || readRows <= maxReadRows);
    });
  }

  #keep(used: ReadonlyMap<SegmentSummary, ResidentSegment>): void {
    for (const [ref, rowCount] of this.#held) {
      const meta = ref.deref();
      if (meta !== undefined && !used.has(meta)) continue;
      this.#held.delete(ref);
      this.#rowCount -= rowCount;
    }
    for (const [meta, segment] of used) {
      this.#segments.set(meta, segment);
      this.#held.set(new WeakRef(meta), segment.rows.rowCount);
      this.#rowCount += segment.rows.rowCount;
    }
    for (const [ref, rowCount] of this.#held) {
      if (this.#rowCount <= this.#limits.maxRows) break;
      const meta = ref.deref();
      if (meta !== undefined) this.#segments.delete(meta);
      this.#held.delete(ref);
      this.#rowCount -= rowCount;
    }
  }
}

async function readResidents(
  run: QueryRun,
  metas: readonly SegmentSummary[],
): Promise<ReadonlyMap<SegmentSummary, ResidentSegment>> {
  const read = metas.map((meta) => ({
    meta,
    traces: new Map<string, ResidentTrace>(),
    rows: new PartRows(),
  }));
  if (metas.length === 0) return new Map();
  const numbered = metas.map((meta, number) => ({ meta, number }));
  const selects = groupByNarrowColumns(numbered).map((group) => {
    const number = perFileSql(group.map(({ number }) => number));
    const files = readSegments(
      run.context,
      group.map(({ meta }) => meta),
    );
    return `SELECT ${narrowColumnsSql(group[0]!.meta)}, (${number})::INTEGER AS segment, trace_id,
      epoch_ns(trace_start) AS trace_from, trace_duration_ns FROM ${files}`;
  });
  const sql = `SELECT * FROM (${selects.join(" UNION ALL ")}) ORDER BY segment, row_number`;
  await run.chunks(sql, ({ columns, rowCount }) => {
    const [numbers, traceIds, starts, durations] = columns.slice(8);
    for (let row = 0; row < rowCount; row++) {
      const { traces, rows } = read[numbers![row] as number]!;
      const at = rows.rowCount;
      rows.addNarrow(columns, row, 0, 0);
      const traceId = traceIds![row] as string;
      const trace = traces.get(traceId);
      if (trace !== undefined) {
        trace.endRow = at + 1;
        continue;
      }
      const startUnixNano = starts![row] as bigint;
      traces.set(traceId, {
        traceId,
        hash: traceIdHash(traceIdFromHex(traceId)),
        startUnixNano,
        endUnixNano: startUnixNano + (durations![row] as bigint),
        firstRow: at,
        endRow: at + 1,
      });
    }
  });
  for (const { rows } of read) rows.trim();
  return new Map(read.map(({ meta, traces, rows }) => [meta, { traces, rows }]));
}

/** The one of all queries of a context. */
export const residentSegmentsOf = perContext(() => new ResidentSegments());
