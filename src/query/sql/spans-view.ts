import type { SegmentWithKeys } from "../../schema/segment-meta.ts";
import { quoteIdentifier } from "../../traceql/sql/sql.ts";
import { hiddenIdsSql, hidesTraces } from "../hidden-traces.ts";
import type { AttributeLookup } from "./attribute-lookups.ts";
import { groupByLayout, type LayoutGroup, type SegmentLayout } from "./segment-layouts.ts";
import { lookupSpansColumn, SPANS_COLUMNS, type SpansColumn } from "./spans-columns.ts";

/**
 * `CREATE VIEW spans`: one branch per set of columns. Only what a query names of it is read, so a
 * count costs nothing of the attributes. Segments that hide traces have branches of their own.
 */
export function spansView(
  segments: readonly SegmentWithKeys[],
  /** A SQL string literal: the segment's file. */
  fileOf: (segment: SegmentWithKeys) => string,
  lookups: readonly AttributeLookup[] = [],
  /** Columns that are not asked for are left out. */
  isNamed: (column: string) => boolean = () => true,
): string {
  const columns = [
    ...SPANS_COLUMNS.filter(({ name }) => isNamed(name)),
    ...lookups.map(lookupSpansColumn),
  ];
  const branches = groupByLayout(segments)
    .flatMap(byWhatIsHidden)
    .map((group) => branch(group, columns, fileOf));
  if (branches.length === 0) branches.push(emptyBranch(columns));
  return `CREATE VIEW spans AS\n${branches.join("\nUNION ALL\n")}`;
}

/** Another tenant's trace of the same id is another trace. */
function byWhatIsHidden(group: LayoutGroup): LayoutGroup[] {
  const parts = Map.groupBy(group.segments, (meta) => (hidesTraces(meta) ? meta.tenant : ""));
  return Array.from(parts.values(), (segments) => ({ ...group, segments }));
}

function branch(
  { layout, segments, uniform }: LayoutGroup,
  columns: readonly SpansColumn[],
  fileOf: (segment: SegmentWithKeys) => string,
): string {
  const paths = segments.map(fileOf).join(", ");
  const options = uniform ? "" : ", union_by_name = true";
  const hidden = segments.filter(hidesTraces);
  const without =
    hidden.length === 0
      ? ""
      : ` ANTI JOIN (SELECT ${hiddenIdsSql(hidden)} AS trace_id) USING (trace_id)`;
  return `SELECT ${columns.map((c) => selected(c, layout)).join(", ")} FROM read_parquet([${paths}]${options})${without}`;
}

function selected(column: SpansColumn, layout: SegmentLayout): string {
  const value = column.sql(layout);
  const name = quoteIdentifier(column.name).text;
  if (value === column.name) return name;
  return `${value ?? `NULL::${column.type}`} AS ${name}`;
}

function emptyBranch(columns: readonly SpansColumn[]): string {
  const nulls = columns.map(({ name, type }) => `NULL::${type} AS ${quoteIdentifier(name).text}`);
  return `SELECT ${nulls.join(", ")} WHERE false`;
}
