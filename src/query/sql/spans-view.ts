import type { SegmentMeta } from "../../schema/segment-meta.ts";
import { quoteIdentifier } from "../../traceql/sql/sql.ts";
import type { AttributeLookup } from "./attribute-lookups.ts";
import { groupByLayout, type LayoutGroup, type SegmentLayout } from "./segment-layouts.ts";
import { lookupSpansColumn, SPANS_COLUMNS, type SpansColumn } from "./spans-columns.ts";

/**
 * `CREATE VIEW spans`: one branch per set of columns. Only what a query names of it is read, so a
 * count costs nothing of the attributes.
 */
export function spansView(
  segments: readonly SegmentMeta[],
  /** A SQL string literal: the segment's file. */
  fileOf: (segment: SegmentMeta) => string,
  lookups: readonly AttributeLookup[] = [],
  /** Columns that are not asked for are left out. */
  isNamed: (column: string) => boolean = () => true,
): string {
  const columns = [
    ...SPANS_COLUMNS.filter(({ name }) => isNamed(name)),
    ...lookups.map(lookupSpansColumn),
  ];
  const branches = groupByLayout(segments).map((group) => branch(group, columns, fileOf));
  if (branches.length === 0) branches.push(emptyBranch(columns));
  return `CREATE VIEW spans AS\n${branches.join("\nUNION ALL\n")}`;
}

function branch(
  { layout, segments, uniform }: LayoutGroup,
  columns: readonly SpansColumn[],
  fileOf: (segment: SegmentMeta) => string,
): string {
  const paths = segments.map(fileOf).join(", ");
  const options = uniform ? "" : ", union_by_name = true";
  return `SELECT ${columns.map((c) => selected(c, layout)).join(", ")} FROM read_parquet([${paths}]${options})`;
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
