/**
 * The stored form of a span: one row of a segment. This table is the only source of column names;
 * the segment writer, the SQL compiler and the README's table read it.
 */
export type SqlType =
  | "UUID"
  | "UBIGINT"
  | "BIGINT"
  | "INTEGER"
  | "UINTEGER"
  | "DOUBLE"
  | "BOOLEAN"
  | "VARCHAR"
  | "TIMESTAMP_NS";

export type FixedColumn = {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean;
  readonly doc: string;
};

/**
 * Columns that every segment has, in file order: those that searches read come first and adjacent.
 * Strings are never NULL: absent is ''.
 */
export const FIXED_COLUMNS = [
  { name: "trace_id", type: "UUID", nullable: false, doc: "16-byte trace id" },
  { name: "span_id", type: "UBIGINT", nullable: false, doc: "8-byte span id, big endian" },
  { name: "parent_span_id", type: "UBIGINT", nullable: true, doc: "NULL for a root span" },
  {
    name: "trace_start",
    type: "TIMESTAMP_NS",
    nullable: false,
    doc: "earliest start_time of the trace's spans in this segment",
  },
  {
    name: "start_time",
    type: "TIMESTAMP_NS",
    nullable: false,
    doc: "span start; times from 2262-04-11 on rest at TIME_MAX_UNIX_NANO, see start_unix_nano",
  },
  {
    name: "duration_ns",
    type: "BIGINT",
    nullable: false,
    doc: "end minus start (negative when the end lies before the start), clamped to int64",
  },
  { name: "service_name", type: "VARCHAR", nullable: false, doc: "resource service.name" },
  { name: "name", type: "VARCHAR", nullable: false, doc: "span name" },
  { name: "kind", type: "INTEGER", nullable: false, doc: "OTLP span kind number" },
  {
    name: "status",
    type: "INTEGER",
    nullable: false,
    doc: "OTLP status code: 0 unset, 1 ok, 2 error",
  },
  { name: "status_message", type: "VARCHAR", nullable: false, doc: "OTLP status message" },
  {
    name: "trace_duration_ns",
    type: "BIGINT",
    nullable: false,
    doc: "latest end minus trace_start over the trace's spans in this segment, at least 0",
  },
  {
    name: "root_service_name",
    type: "VARCHAR",
    nullable: false,
    doc: "service_name of the trace's root span, '' when it is not in this segment",
  },
  { name: "root_span_name", type: "VARCHAR", nullable: false, doc: "name of the root span, or ''" },
  {
    name: "nested_left",
    type: "INTEGER",
    nullable: false,
    doc: "nested set left bound, 0 = no root",
  },
  { name: "nested_right", type: "INTEGER", nullable: false, doc: "nested set right bound" },
  {
    name: "nested_parent",
    type: "INTEGER",
    nullable: false,
    doc: "nested_left of the parent, -1 for a root, 0 when not connected to a root",
  },
  { name: "child_count", type: "INTEGER", nullable: false, doc: "direct children in the segment" },
  { name: "scope_name", type: "VARCHAR", nullable: false, doc: "instrumentation scope name" },
  { name: "scope_version", type: "VARCHAR", nullable: false, doc: "instrumentation scope version" },
  { name: "trace_state", type: "VARCHAR", nullable: false, doc: "W3C tracestate" },
  { name: "flags", type: "UINTEGER", nullable: false, doc: "OTLP span flags" },
  { name: "dropped_attributes_count", type: "UINTEGER", nullable: false, doc: "" },
  { name: "dropped_events_count", type: "UINTEGER", nullable: false, doc: "" },
  { name: "dropped_links_count", type: "UINTEGER", nullable: false, doc: "" },
  { name: "resource_dropped_attributes_count", type: "UINTEGER", nullable: false, doc: "" },
  { name: "resource_schema_url", type: "VARCHAR", nullable: false, doc: "" },
  { name: "scope_dropped_attributes_count", type: "UINTEGER", nullable: false, doc: "" },
  { name: "scope_schema_url", type: "VARCHAR", nullable: false, doc: "" },
] as const satisfies readonly FixedColumn[];

export type FixedColumnName = (typeof FIXED_COLUMNS)[number]["name"];

/**
 * Times at or above this (2262-04-11, near the end of int64) rest at it in `start_time` and
 * `trace_start`: DuckDB cannot print values nearer to the end.
 */
export const TIME_MAX_UNIX_NANO = 9_223_286_400_000_000_000n;

/**
 * Exact unsigned start and end, in files where some span needs them: NULL on all rows whose times
 * `start_time` and `duration_ns` hold exactly. Both are present or neither.
 */
export const EXACT_TIME_COLUMNS = ["start_unix_nano", "end_unix_nano"] as const; // UBIGINT, nullable

export type AttributeScopeName = "span" | "resource" | "instrumentation";
export type StoredAttributeType = "string" | "int" | "double" | "bool" | "json";

/**
 * Overflow maps, e.g. `span_attr_str`: attributes that have no dedicated column. A file has a map
 * only when some row needs it; a row without entries has NULL there. Keys are unique in a row.
 */
export const OVERFLOW_SUFFIX: Record<StoredAttributeType, string> = {
  string: "str",
  int: "int",
  double: "double",
  bool: "bool",
  json: "json",
};
export const OVERFLOW_VALUE_TYPE: Record<StoredAttributeType, SqlType> = {
  string: "VARCHAR",
  int: "BIGINT",
  double: "DOUBLE",
  bool: "BOOLEAN",
  json: "VARCHAR",
};
const OVERFLOW_PREFIX: Record<AttributeScopeName, string> = {
  span: "span_attr_",
  resource: "resource_attr_",
  instrumentation: "scope_attr_",
};

export function overflowColumn(scope: AttributeScopeName, type: StoredAttributeType): string {
  return OVERFLOW_PREFIX[scope] + OVERFLOW_SUFFIX[type];
}

/**
 * Name of the dedicated column of an attribute, nullable, of the type `OVERFLOW_VALUE_TYPE` gives.
 * Only span and resource keys get one, and `json` values never do. `service.name` has none while it
 * is a string (it is `service_name`; an absent one and '' are told apart by the resource's
 * `resource_attr_str` entry: '' sent by the client is kept there).
 */
export function dedicatedColumn(scope: "span" | "resource", key: string): string {
  return `${scope}.${key}`;
}

export function isDedicatedColumn(name: string): boolean {
  return name.startsWith("span.") || name.startsWith("resource.");
}

/**
 * `events` and `links`, both nullable lists (NULL = none), with attributes as a list of structs
 * (key, and the one of str, int, double, bool, json that is not NULL). A file has the column only
 * when some row needs it. As DuckDB sees them:
 */
const ATTRIBUTES_TYPE =
  "STRUCT(key VARCHAR, str VARCHAR, int BIGINT, double DOUBLE, bool BOOLEAN, json VARCHAR)[]";
export const EVENTS_COLUMN = "events";
export const EVENTS_TYPE = `STRUCT(time_unix_nano UBIGINT, name VARCHAR, dropped_attributes_count UINTEGER, attributes ${ATTRIBUTES_TYPE})[]`;
export const LINKS_COLUMN = "links";
export const LINKS_TYPE = `STRUCT(trace_id UUID, span_id UBIGINT, trace_state VARCHAR, flags UINTEGER, dropped_attributes_count UINTEGER, attributes ${ATTRIBUTES_TYPE})[]`;
