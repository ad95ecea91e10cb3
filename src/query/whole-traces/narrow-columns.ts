import { EXACT_TIME_COLUMNS, LINKS_COLUMN } from "../../schema/columns.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";

/** What a trace's columns follow from, in this order; never NULL but the names. */
export function narrowColumnsSql(meta: SegmentSummary): string {
  const isRoot = isRootSql(meta);
  // Names only of roots: nothing that is not needed is sorted and copied.
  return `file_row_number::INTEGER AS row_number, span_id,
    coalesce(parent_span_id, 0)::UBIGINT AS parent_span_id, kind,
    ${startSql(meta)} AS start_nanos, ${endSql(meta)} AS end_nanos,
    CASE WHEN ${isRoot} THEN service_name END AS root_service,
    CASE WHEN ${isRoot} THEN name END AS root_name`;
}

/** Segments that one SELECT of `narrowColumnsSql` can read. */
export function groupByNarrowColumns<T extends { readonly meta: SegmentSummary }>(
  segments: readonly T[],
): T[][] {
  const groups = new Map<string, T[]>();
  for (const segment of segments) {
    const key = `${hasExactTimes(segment.meta)} ${hasLinks(segment.meta)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [segment]);
    else group.push(segment);
  }
  return [...groups.values()];
}

function hasExactTimes(meta: SegmentSummary): boolean {
  return meta.optionalColumns.includes(EXACT_TIME_COLUMNS[0]);
}

function hasLinks(meta: SegmentSummary): boolean {
  return meta.optionalColumns.includes(LINKS_COLUMN);
}

function startSql(meta: SegmentSummary): string {
  const stored = "epoch_ns(start_time)::UBIGINT";
  return hasExactTimes(meta) ? `coalesce(${EXACT_TIME_COLUMNS[0]}, ${stored})` : stored;
}

/** The sum may exceed a BIGINT. */
function endSql(meta: SegmentSummary): string {
  const stored = "(epoch_ns(start_time)::HUGEINT + duration_ns)::UBIGINT";
  return hasExactTimes(meta) ? `coalesce(${EXACT_TIME_COLUMNS[1]}, ${stored})` : stored;
}

/** The rule that segments are written by, see `traceColumns`; the same for all `groupByNarrowColumns`. */
export function isRootSql(meta: SegmentSummary): string {
  const noParent = "parent_span_id IS NULL";
  if (!hasLinks(meta)) return noParent;
  const type = `list_filter(link.attributes, lambda entry: entry.key = 'opentracing.ref_type')[1].str`;
  const parents = `list_filter(${LINKS_COLUMN},
    lambda link: link.trace_id = trace_id AND ${type} = 'child_of')`;
  return `(${noParent} AND coalesce(len(${parents}), 0) = 0)`;
}
