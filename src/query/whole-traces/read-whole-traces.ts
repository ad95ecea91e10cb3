import type { ResultChunk } from "../../drivers/duckdb/database.ts";
import type { ScratchColumn, ScratchTable } from "../../drivers/duckdb/scratch-table.ts";
import { PintailError } from "../../errors.ts";
import { EXACT_TIME_COLUMNS, LINKS_COLUMN } from "../../schema/columns.ts";
import type { SegmentMeta } from "../../schema/segment-meta.ts";
import type { QueryRun } from "../query-context.ts";
import { readSegments } from "../segment-sql.ts";
import { perFileSql, rowIdOf } from "./overlay-sql.ts";
import type { SplitTrace } from "./split-traces.ts";
import { inRangesSql, type StartRange } from "./start-ranges.ts";
import { WholeTraceColumns } from "./whole-trace-columns.ts";

export type WholeTraceRead = {
  /** A segment's place gives its rows' ids. */
  readonly segments: readonly SegmentMeta[];
  readonly partStarts: ReadonlyMap<SegmentMeta, readonly StartRange[]>;
  /** The traces' ids and numbers. */
  readonly ids: ScratchTable;
  readonly split: readonly SplitTrace[];
};

/**
 * Reads what a trace's columns follow from, of all parts of the traces, and works them out. Rejects
 * with `limited` when they have more than `maxRows` rows.
 */
export async function readWholeTraces(
  run: QueryRun,
  read: WholeTraceRead,
  maxRows: number,
): Promise<{ traces: ScratchColumn[]; rows: ScratchColumn[] }> {
  // In the order of their making, so that the answer does not depend on the query's slice.
  const ranked = read.segments
    .map((meta, number) => ({ meta, number }))
    .filter(({ meta }) => read.partStarts.has(meta))
    .sort((a, b) => (a.meta.id < b.meta.id ? -1 : 1));
  const columns = new WholeTraceColumns(read.split.length, (rank, rowNumber) =>
    rowIdOf(ranked[rank]!.number, rowNumber),
  );
  let rowCount = 0;
  await run.chunks(
    `SELECT * FROM (${partRowsSql(run, ranked, read)}) ORDER BY trace_no, rank, row_number`,
    (chunk: ResultChunk) => {
      rowCount += chunk.rowCount;
      if (rowCount > maxRows) {
        throw new PintailError(
          "limited",
          `traces that lie in several segments have more than ${maxRows} spans`,
        );
      }
      columns.add(chunk.columns);
    },
  );
  run.throwIfOver();
  return columns.finish();
}

type RankedSegment = { readonly meta: SegmentMeta; readonly number: number };

/** One SELECT for the segments that have the same of the optional columns that matter here. */
function partRowsSql(
  run: QueryRun,
  ranked: readonly RankedSegment[],
  { partStarts, ids }: WholeTraceRead,
): string {
  const groups = new Map<string, { meta: SegmentMeta; rank: number }[]>();
  for (const [rank, { meta }] of ranked.entries()) {
    const key = `${hasExactTimes(meta)} ${hasLinks(meta)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [{ meta, rank }]);
    else group.push({ meta, rank });
  }
  const selects = Array.from(groups.values(), (group) => {
    const metas = group.map(({ meta }) => meta);
    const first = metas[0]!;
    const ranges = metas.flatMap((meta) => partStarts.get(meta) ?? []);
    const isRoot = isRootSql(first);
    // Nothing that is not needed is sorted: names only of roots.
    return `SELECT trace_no, ${perFileSql(group.map(({ rank }) => rank))} AS rank,
        file_row_number AS row_number, span_id, parent_span_id, kind,
        ${startSql(first)} AS start_nanos, ${endSql(first)} AS end_nanos,
        CASE WHEN ${isRoot} THEN service_name END AS root_service,
        CASE WHEN ${isRoot} THEN name END AS root_name
      FROM ${readSegments(run.context, metas)} JOIN ${ids.name} USING (trace_id)
      WHERE ${inRangesSql(ranges)}`;
  });
  return selects.join(" UNION ALL ");
}

function hasExactTimes(meta: SegmentMeta): boolean {
  return meta.optionalColumns.includes(EXACT_TIME_COLUMNS[0]);
}

function hasLinks(meta: SegmentMeta): boolean {
  return meta.optionalColumns.includes(LINKS_COLUMN);
}

function startSql(meta: SegmentMeta): string {
  const stored = "epoch_ns(start_time)::UBIGINT";
  return hasExactTimes(meta) ? `coalesce(${EXACT_TIME_COLUMNS[0]}, ${stored})` : stored;
}

/** The sum may exceed a BIGINT. */
function endSql(meta: SegmentMeta): string {
  const stored = "(epoch_ns(start_time)::HUGEINT + duration_ns)::UBIGINT";
  return hasExactTimes(meta) ? `coalesce(${EXACT_TIME_COLUMNS[1]}, ${stored})` : stored;
}

/** The rule that segments are written by, see `traceColumns`. */
function isRootSql(meta: SegmentMeta): string {
  const noParent = "parent_span_id IS NULL";
  if (!hasLinks(meta)) return noParent;
  const type = `list_filter(link.attributes, lambda entry: entry.key = 'opentracing.ref_type')[1].str`;
  const parents = `list_filter(${LINKS_COLUMN},
    lambda link: link.trace_id = trace_id AND ${type} = 'child_of')`;
  return `(${noParent} AND coalesce(len(${parents}), 0) = 0)`;
}
