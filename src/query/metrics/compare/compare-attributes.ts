import {
  type AttributeScopeName,
  dedicatedColumn,
  type FixedColumnName,
  OVERFLOW_SUFFIX,
  overflowColumn,
  type StoredAttributeType,
} from "../../../schema/columns.ts";
import type { KeyStats, SegmentMeta } from "../../../schema/segment-meta.ts";
import type { IntrinsicName } from "../../../traceql/ast.ts";
import { fieldText } from "../../../traceql/field-text.ts";
import type { LabelType } from "../../../traceql/sql/metrics-columns.ts";
import { quoteIdentifier } from "../../../traceql/sql/sql.ts";

/** A stored column whose values compare() counts. */
export type CompareColumn = {
  /** Key of the label: scope and name. */
  readonly attribute: string;
  readonly type: LabelType;
  /** Quoted. */
  readonly sql: string;
  /** As far as the segments' statistics tell. */
  readonly distinct: number;
  /** Spans that carry it. */
  readonly count: number;
};

/** An overflow map, all keys of which are counted together. */
export type CompareMap = {
  readonly scope: AttributeScopeName;
  readonly type: StoredAttributeType;
  readonly sql: string;
};

/** What segments of one layout give to compare(). */
export type CompareLayout = {
  readonly segments: readonly SegmentMeta[];
  readonly columns: readonly CompareColumn[];
  readonly maps: readonly CompareMap[];
};

const INTRINSICS: readonly (readonly [IntrinsicName, FixedColumnName, LabelType])[] = [
  ["name", "name", "string"],
  ["status", "status", "status"],
  ["statusMessage", "status_message", "string"],
  ["kind", "kind", "kind"],
  ["span:childCount", "child_count", "int"],
  ["rootName", "root_span_name", "string"],
  ["rootServiceName", "root_service_name", "string"],
  ["instrumentation:name", "scope_name", "string"],
  ["instrumentation:version", "scope_version", "string"],
];

const SCOPES: readonly AttributeScopeName[] = ["span", "resource", "instrumentation"];
const STORED_TYPES = Object.keys(OVERFLOW_SUFFIX) as StoredAttributeType[];

/** The segments by which columns they have; one SELECT can read those of one layout. */
export function compareLayouts(segments: readonly SegmentMeta[]): CompareLayout[] {
  const groups = new Map<string, SegmentMeta[]>();
  for (const meta of segments) {
    const key = JSON.stringify([...meta.optionalColumns].sort());
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [meta]);
    else group.push(meta);
  }
  return [...groups.values()].map(layoutOf);
}

function layoutOf(segments: readonly SegmentMeta[]): CompareLayout {
  const present = new Set(segments[0]!.optionalColumns);
  const stats = new Map<string, { distinct: number; count: number }>();
  const dedicated = new Map<string, KeyStats>();
  for (const { keys } of segments) {
    for (const key of keys) {
      const id = `${key.scope}.${key.key}`;
      if (key.scope === "intrinsic" || key.dedicated) addStats(stats, id, key);
      if (key.dedicated && key.scope !== "intrinsic") dedicated.set(id, key);
    }
  }
  const columns: CompareColumn[] = INTRINSICS.map(([name, column, type]) => ({
    attribute: name,
    type,
    sql: quoteIdentifier(column).text,
    ...(stats.get(`intrinsic.${column}`) ?? UNKNOWN),
  }));
  columns.push({
    attribute: "resource.service.name",
    type: "string",
    sql: quoteIdentifier("service_name" satisfies FixedColumnName).text,
    ...(stats.get("intrinsic.service_name") ?? UNKNOWN),
  });
  for (const [id, { scope, key, type }] of dedicated) {
    if ((scope !== "span" && scope !== "resource") || type === "json") continue;
    const column = dedicatedColumn(scope, key);
    if (!present.has(column)) continue;
    const attribute = fieldText({ type: "attribute", scope, key });
    columns.push({
      attribute,
      type,
      sql: quoteIdentifier(column).text,
      ...(stats.get(id) ?? UNKNOWN),
    });
  }
  const maps = SCOPES.flatMap((scope) =>
    STORED_TYPES.flatMap((type): CompareMap[] => {
      const column = overflowColumn(scope, type);
      return present.has(column) ? [{ scope, type, sql: quoteIdentifier(column).text }] : [];
    }),
  );
  return { segments, columns, maps };
}

/** Without statistics a column is taken to have few values. */
const UNKNOWN = { distinct: 0, count: 0 };

function addStats(
  stats: Map<string, { distinct: number; count: number }>,
  id: string,
  { distinct, count }: KeyStats,
): void {
  const known = stats.get(id);
  stats.set(id, {
    distinct: Math.max(distinct, known?.distinct ?? 0),
    count: count + (known?.count ?? 0),
  });
}
