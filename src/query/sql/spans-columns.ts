import {
  type AttributeScopeName,
  EVENTS_COLUMN,
  EVENTS_TYPE,
  EXACT_TIME_COLUMNS,
  FIXED_COLUMNS,
  LINKS_COLUMN,
  LINKS_TYPE,
  OVERFLOW_SUFFIX,
  overflowColumn,
  type StoredAttributeType,
} from "../../schema/columns.ts";
import { quoteIdentifier, quoteLiteral } from "../../traceql/sql/sql.ts";
import {
  ATTRIBUTE_MAPS,
  type AttributeLookup,
  type AttributeMap,
  lookupColumn,
} from "./attribute-lookups.ts";
import type { SegmentLayout } from "./segment-layouts.ts";

/** A column of the view `spans`. */
export type SpansColumn = {
  readonly name: string;
  readonly type: string;
  readonly doc: string;
  /** Its value in files of a layout; `undefined` when it is NULL on all rows there. */
  sql(layout: SegmentLayout): string | undefined;
};

const SCOPE_OF_MAP: Record<AttributeMap, AttributeScopeName> = {
  span_attributes: "span",
  resource_attributes: "resource",
  scope_attributes: "instrumentation",
};
const STORED_TYPES = Object.keys(OVERFLOW_SUFFIX) as StoredAttributeType[];
const [START_EXACT, END_EXACT] = EXACT_TIME_COLUMNS;
/** What SQL has for this resource attribute is a column of its own, see `dedicatedColumn`. */
const SERVICE_NAME_KEY = "service.name";

/** Columns of the view in their order: the README's table is made from this. */
export const SPANS_COLUMNS: readonly SpansColumn[] = [
  ...FIXED_COLUMNS.map(({ name, type, doc }) => ({ name, type, doc, sql: () => name })),
  {
    name: "trace_id_hex",
    type: "VARCHAR",
    doc: "trace_id as 32 hex digits",
    sql: () => "replace(trace_id::VARCHAR, '-', '')",
  },
  { name: "span_id_hex", type: "VARCHAR", doc: "16 hex digits", sql: () => hexId("span_id") },
  {
    name: "parent_span_id_hex",
    type: "VARCHAR",
    doc: "16 hex digits, NULL for a root span",
    sql: () => hexId("parent_span_id"),
  },
  {
    name: START_EXACT,
    type: "UBIGINT",
    doc: "span start as received, nanoseconds since 1970",
    sql: (layout) => exactTime(layout, START_EXACT, "epoch_ns(start_time)"),
  },
  {
    name: END_EXACT,
    type: "UBIGINT",
    doc: "span end as received, nanoseconds since 1970",
    sql: (layout) =>
      exactTime(layout, END_EXACT, "(epoch_ns(start_time)::HUGEINT + duration_ns::HUGEINT)"),
  },
  ...ATTRIBUTE_MAPS.map((map) => ({
    name: map,
    type: "MAP(VARCHAR, VARCHAR)",
    doc: `${SCOPE_OF_MAP[map]} attributes, all values as text; ${map}['key'] is NULL when absent`,
    sql: (layout: SegmentLayout) => attributeMap(layout, map),
  })),
  {
    name: EVENTS_COLUMN,
    type: EVENTS_TYPE,
    doc: "NULL = none",
    sql: (layout) => (layout.has(EVENTS_COLUMN) ? EVENTS_COLUMN : undefined),
  },
  {
    name: LINKS_COLUMN,
    type: LINKS_TYPE,
    doc: "NULL = none",
    sql: (layout) => (layout.has(LINKS_COLUMN) ? LINKS_COLUMN : undefined),
  },
];

/** The column of a lookup: as `attributeMap(…)[key]`, from the homes of that key alone. */
export function lookupSpansColumn(lookup: AttributeLookup): SpansColumn {
  const scope = SCOPE_OF_MAP[lookup.map];
  return {
    name: lookupColumn(lookup),
    type: "VARCHAR",
    doc: "",
    sql: (layout) => {
      const homes: string[] = [];
      const dedicated = layout.dedicated(scope).find(({ key }) => key === lookup.key);
      if (dedicated !== undefined) homes.push(dedicatedText(dedicated));
      if (scope === "resource" && lookup.key === SERVICE_NAME_KEY) homes.push(SERVICE_NAME);
      for (const type of STORED_TYPES) {
        const column = overflowColumn(scope, type);
        if (layout.has(column)) homes.push(`${column}[${quoteLiteral(lookup.key)}]::VARCHAR`);
      }
      if (homes.length <= 1) return homes[0];
      return `coalesce(${homes.join(", ")})`;
    },
  };
}

const SERVICE_NAME = "nullif(service_name, '')";

function hexId(column: string): string {
  return `lpad(lower(hex(${column})), 16, '0')`;
}

function exactTime(layout: SegmentLayout, column: string, otherwise: string): string {
  const usual = `try_cast(${otherwise} AS UBIGINT)`;
  return layout.has(column) ? `coalesce(${column}, ${usual})` : usual;
}

function dedicatedText({ column, type }: { column: string; type: string }): string {
  const name = quoteIdentifier(column).text;
  return type === "VARCHAR" ? name : `${name}::VARCHAR`;
}

/** A list of entries first, since that is the quickest way DuckDB has to make a map of columns. */
function attributeMap(layout: SegmentLayout, map: AttributeMap): string {
  const scope = SCOPE_OF_MAP[map];
  const entries = layout
    .dedicated(scope)
    .map((home) => ({ key: home.key, value: dedicatedText(home) }));
  if (scope === "resource") entries.push({ key: SERVICE_NAME_KEY, value: SERVICE_NAME });
  const lists: string[] = [];
  if (entries.length > 0) {
    const structs = entries.map(({ key, value }) => `{key: ${quoteLiteral(key)}, value: ${value}}`);
    lists.push(`list_filter([${structs.join(", ")}], lambda e: e.value IS NOT NULL)`);
  }
  for (const type of STORED_TYPES) {
    const column = overflowColumn(scope, type);
    if (!layout.has(column)) continue;
    const pairs = `map_entries(${column})`;
    const text =
      type === "string" || type === "json"
        ? pairs
        : `list_transform(${pairs}, lambda e: {key: e.key, value: e.value::VARCHAR})`;
    lists.push(`coalesce(${text}, [])`);
  }
  if (lists.length === 0) return "MAP {}::MAP(VARCHAR, VARCHAR)";
  return `map_from_entries(${lists.join(" || ")})`;
}
