import {
  type AttributeScopeName,
  dedicatedColumn,
  type FixedColumnName,
  OVERFLOW_SUFFIX,
  overflowColumn,
  type StoredAttributeType,
} from "../../../schema/columns.ts";
import type { KeyStats, SegmentWithKeys } from "../../../schema/segment-meta.ts";
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
  /** The name of the stored column when its values are just these. */
  readonly stored: string | undefined;
  /** As far as the segments' statistics tell. */
  readonly distinct: number;
  /** Spans that carry it. */
  readonly count: number;
  /** The value that every span of the segments has, where the statistics know so. */
  readonly constant: string | undefined;
};

/** An overflow map, all keys of which are counted together. */
export type CompareMap = {
  readonly scope: AttributeScopeName;
  readonly type: StoredAttributeType;
  /** Quoted. */
  readonly sql: string;
  /** The name of the stored column when the values of its keys are just these. */
  readonly stored: string | undefined;
};

/** The attribute that a key of the map is; undefined when it has a column of its own. */
export function attributeOfMap({ scope, type }: CompareMap, key: string): string | undefined {
  if (scope === "resource" && key === "service.name" && type === "string") return undefined;
  return fieldText({ type: "attribute", scope, key });
}

/** What segments of one layout give to compare(). */
export type CompareLayout = {
  readonly segments: readonly SegmentWithKeys[];
  readonly columns: readonly CompareColumn[];
  readonly maps: readonly CompareMap[];
};

/** The attribute that every span has, with few values: its counts are those of all spans. */
export const EVERY_SPAN = "status";

/** Attributes of a span that are known by its trace as a whole. */
export const OF_TRACE: ReadonlySet<IntrinsicName> = new Set([
  "rootName",
  "rootServiceName",
  "span:childCount",
]);

export function isOfTrace(attribute: string): boolean {
  return (OF_TRACE as ReadonlySet<string>).has(attribute);
}

const INTRINSICS: readonly (readonly [IntrinsicName, FixedColumnName, LabelType])[] = [
  [EVERY_SPAN, "status", "status"],
  ["name", "name", "string"],
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

/** The segments by which columns they have, as one SELECT can read them; `keyOf` tells more apart. */
export function compareLayouts(
  segments: readonly SegmentWithKeys[],
  keyOf: (meta: SegmentWithKeys) => string,
): CompareLayout[] {
  const key = (meta: SegmentWithKeys) =>
    JSON.stringify([keyOf(meta), [...meta.optionalColumns].sort()]);
  return [...Map.groupBy(segments, key).values()].map(layoutOf);
}

function layoutOf(segments: readonly SegmentWithKeys[]): CompareLayout {
  const present = new Set(segments[0]!.optionalColumns);
  const stats = new Map<string, ColumnStats>();
  const dedicated = new Map<string, KeyStats>();
  for (const meta of segments) {
    for (const key of meta.keys) {
      const id = `${key.scope}.${key.key}`;
      if (key.scope !== "intrinsic" && !key.dedicated) continue;
      stats.set(id, withStats(stats.get(id), key, meta));
      if (key.scope !== "intrinsic") dedicated.set(id, key);
    }
  }
  const columnOf = (
    attribute: string,
    type: LabelType,
    name: string,
    id: string,
  ): CompareColumn => {
    const known = stats.get(id) ?? { distinct: 0, count: 0, spans: 0, constant: undefined };
    const all = segments.reduce((sum, { rowCount }) => sum + rowCount, 0);
    const { distinct, count, spans, constant } = known;
    // What is known of a trace may have been put together from several segments.
    const isConstant = spans === all && !isOfTrace(attribute) && type === "string";
    const sql = quoteIdentifier(name).text;
    return {
      attribute,
      type,
      sql,
      stored: name,
      distinct,
      count,
      constant: isConstant ? constant : undefined,
    };
  };
  const columns = INTRINSICS.map(([name, column, type]) =>
    columnOf(name, type, column, `intrinsic.${column}`),
  );
  const service: FixedColumnName = "service_name";
  columns.push(
    serviceNames(
      columnOf("resource.service.name", "string", service, `intrinsic.${service}`),
      segments,
    ),
  );
  for (const [id, { scope, key, type }] of dedicated) {
    if ((scope !== "span" && scope !== "resource") || type === "json") continue;
    const column = dedicatedColumn(scope, key);
    if (!present.has(column)) continue;
    columns.push(columnOf(fieldText({ type: "attribute", scope, key }), type, column, id));
  }
  const maps = SCOPES.flatMap((scope) =>
    STORED_TYPES.flatMap((type): CompareMap[] => {
      const column = overflowColumn(scope, type);
      if (!present.has(column)) return [];
      // Of arrays as JSON some are values, as the database finds out.
      const stored = type === "json" ? undefined : column;
      return [{ scope, type, sql: quoteIdentifier(column).text, stored }];
    }),
  );
  return { segments, columns, maps };
}

/** `service.name` is the text of its column unless it is of another type, and rests elsewhere. */
function serviceNames(column: CompareColumn, segments: readonly SegmentWithKeys[]): CompareColumn {
  const tests = new Set<string>();
  for (const { keys } of segments) {
    for (const { scope, key, type, dedicated } of keys) {
      if (scope !== "resource" || key !== "service.name" || type === "string") continue;
      const place = dedicated ? dedicatedColumn(scope, key) : overflowColumn(scope, type);
      const name = quoteIdentifier(place).text;
      tests.add(`${dedicated ? name : `${name}['service.name']`} IS NOT NULL`);
    }
  }
  if (tests.size === 0) return column;
  const sql = `CASE WHEN NOT (${[...tests].join(" OR ")}) THEN ${column.sql} END`;
  return { ...column, sql, stored: undefined, constant: undefined };
}

type ColumnStats = {
  readonly distinct: number;
  readonly count: number;
  /** Spans that are known to have the constant. */
  readonly spans: number;
  readonly constant: string | undefined;
};

function withStats(
  known: ColumnStats | undefined,
  { distinct, count, complete, values }: KeyStats,
  { rowCount }: SegmentWithKeys,
): ColumnStats {
  const single = complete && values.length === 1 && count === rowCount ? values[0] : undefined;
  const agrees = known === undefined || known.constant === single;
  return {
    distinct: Math.max(distinct, known?.distinct ?? 0),
    count: count + (known?.count ?? 0),
    spans: (known?.spans ?? 0) + (single !== undefined && agrees ? rowCount : 0),
    constant: agrees ? single : undefined,
  };
}
