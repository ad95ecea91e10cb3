import {
  type AttributeScopeName,
  dedicatedColumn,
  EVENTS_COLUMN,
  type FixedColumnName,
  LINKS_COLUMN,
  overflowColumn,
  type StoredAttributeType,
} from "../schema/columns.ts";
import type { KeyStats, SegmentWithKeys } from "../schema/segment-meta.ts";
import { quoteIdentifier, quoteLiteral } from "../traceql/sql/sql.ts";
import type { TagScope } from "./tag-scopes.ts";

/** A field whose values can be listed. */
export type TagField =
  | { readonly type: "attribute"; readonly scopes: readonly TagScope[]; readonly key: string }
  | {
      readonly type: "column";
      readonly column: FixedColumnName;
      readonly valueType: "string" | "int";
    }
  | { readonly type: "event-name" };

/** Where values of one type rest in a segment. */
export type ValuePlace = {
  readonly type: StoredAttributeType;
  /** Equal for all segments where the SELECT is the same. */
  readonly sqlKey: string;
  /** A SELECT of the values as `v`, over `source` (a FROM item with its WHERE). */
  select(source: string): string;
};

/** A place, and which of the segment's `keys` tells of its values; undefined: none does. */
export type ListedPlace = { readonly place: ValuePlace; readonly keyIndex: number | undefined };

/** The places of a field in a segment: the same in all that have the same keys and columns. */
export function attributePlaces(meta: SegmentWithKeys, field: TagField): ListedPlace[] {
  switch (field.type) {
    case "column":
      return [
        {
          place: columnPlace(field.valueType, field.column),
          keyIndex: indexesOf(meta, "intrinsic", field.column)[0],
        },
      ];
    case "event-name":
      if (!meta.optionalColumns.includes(EVENTS_COLUMN)) return [];
      return [{ place: EVENT_NAME_PLACE, keyIndex: indexesOf(meta, "intrinsic", "event:name")[0] }];
    case "attribute":
      return field.scopes.flatMap((scope) => placesInScope(meta, scope, field.key));
    default:
      return field satisfies never;
  }
}

const EVENT_NAME_PLACE: ValuePlace = {
  type: "string",
  sqlKey: "event:name",
  select: (source) =>
    `SELECT e.name AS v FROM (SELECT unnest(${EVENTS_COLUMN}) AS e FROM ${source})`,
};

function placesInScope(meta: SegmentWithKeys, scope: TagScope, key: string): ListedPlace[] {
  const places = indexesOf(meta, scope, key).flatMap((keyIndex) => {
    const place = placeOf(meta, scope, key, meta.keys[keyIndex]!);
    return place === undefined ? [] : [{ place, keyIndex }];
  });
  if (scope === "resource" && key === "service.name") {
    // Absent is '' here as in queries. The column holds every string value.
    const keyIndex = indexesOf(meta, "intrinsic", "service_name")[0];
    return [
      ...places.filter(({ place }) => place.type !== "string"),
      { place: columnPlace("string", "service_name"), keyIndex },
    ];
  }
  return places;
}

function placeOf(
  meta: SegmentWithKeys,
  scope: TagScope,
  key: string,
  { type, dedicated }: KeyStats,
): ValuePlace | undefined {
  if (scope === "event" || scope === "link") {
    const column = scope === "event" ? EVENTS_COLUMN : LINKS_COLUMN;
    if (!meta.optionalColumns.includes(column)) return undefined;
    return {
      type,
      sqlKey: `${scope} ${type}`,
      select: (source) => `SELECT a.${STRUCT_FIELD[type]} AS v
        FROM (SELECT unnest(e.attributes) AS a FROM (SELECT unnest(${column}) AS e FROM ${source}))
        WHERE a.key = ${quoteLiteral(key)}`,
    };
  }
  if (dedicated && scope !== "instrumentation") {
    const column = dedicatedColumn(scope, key);
    return meta.optionalColumns.includes(column) ? columnPlace(type, column) : undefined;
  }
  return overflowPlace(meta, scope, key, type);
}

function overflowPlace(
  meta: SegmentWithKeys,
  scope: AttributeScopeName,
  key: string,
  type: StoredAttributeType,
): ValuePlace | undefined {
  const column = overflowColumn(scope, type);
  if (!meta.optionalColumns.includes(column)) return undefined;
  return {
    type,
    sqlKey: column,
    select: (source) => `SELECT ${column}[${quoteLiteral(key)}] AS v FROM ${source}`,
  };
}

const STRUCT_FIELD: Record<StoredAttributeType, string> = {
  string: "str",
  int: "int",
  double: "double",
  bool: "bool",
  json: "json",
};

function columnPlace(type: StoredAttributeType, column: string): ValuePlace {
  return {
    type,
    sqlKey: `column ${type} ${column}`,
    select: (source) => `SELECT ${quoteIdentifier(column).text} AS v FROM ${source}`,
  };
}

/** By a walk over the list: an index kept for each segment would outweigh the catalog. */
function indexesOf({ keys }: SegmentWithKeys, scope: KeyStats["scope"], key: string): number[] {
  const indexes: number[] = [];
  keys.forEach((stats, i) => {
    if (stats.key === key && stats.scope === scope) indexes.push(i);
  });
  return indexes;
}
