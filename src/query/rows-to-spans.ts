import type { RowChunk, SqlValue } from "../drivers/duckdb/database.ts";
import { FIXED_COLUMNS, type FixedColumnName } from "../schema/columns.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import type {
  Attribute,
  AttributeValue,
  InstrumentationScope,
  Resource,
  SpanEvent,
  SpanLink,
  StoredSpan,
} from "./trace.ts";

/** All stored columns of a segment: what `RowsToSpans` must be given, in this order. */
export function storedColumns(meta: Pick<SegmentSummary, "optionalColumns">): readonly string[] {
  return [...FIXED_COLUMNS.map((column) => column.name), ...meta.optionalColumns];
}

/**
 * Turns rows of segments back into spans, without loss: the reverse of the segment writer. One
 * reader serves many segments, so that equal resources and scopes become one object across them.
 */
export class RowsToSpans {
  readonly #resources = new Map<string, Resource>();
  readonly #scopes = new Map<string, InstrumentationScope>();

  /**
   * The rows of one chunk, or those of them that `isWanted`; `columnNames` are those of the query's
   * result, in order; what comes behind them is not looked at.
   */
  read(
    chunk: RowChunk,
    columnNames: readonly string[],
    isWanted?: (row: number) => boolean,
  ): StoredSpan[] {
    const layout = layoutOf(columnNames);
    const resources = new RecentRows<Resource>(layout.resourceColumns);
    const scopes = new RecentRows<InstrumentationScope>(layout.scopeColumns);
    const spans: StoredSpan[] = [];
    for (let row = 0; row < chunk.rowCount; row++) {
      if (isWanted !== undefined && !isWanted(row)) continue;
      const value = (column: number): SqlValue => chunk.columns[column]?.[row] ?? null;
      const resource = resources.get(value, () =>
        this.#internResource(readResource(layout, value)),
      );
      const scope = scopes.get(value, () => this.#internScope(readScope(layout, value)));
      spans.push({ span: readSpan(layout, value), resource, scope });
    }
    return spans;
  }

  #internResource(resource: Resource): Resource {
    const key = `${resource.droppedAttributesCount} ${JSON.stringify(resource.schemaUrl)} ${attributesKey(resource.attributes)}`;
    const known = this.#resources.get(key);
    if (known !== undefined) return known;
    this.#resources.set(key, resource);
    return resource;
  }

  #internScope(scope: InstrumentationScope): InstrumentationScope {
    const key = `${scope.droppedAttributesCount} ${JSON.stringify([scope.name, scope.version, scope.schemaUrl])} ${attributesKey(scope.attributes)}`;
    const known = this.#scopes.get(key);
    if (known !== undefined) return known;
    this.#scopes.set(key, scope);
    return scope;
  }
}

/** Where in a row each part of a span rests. */
type Layout = {
  readonly fixed: ReadonlyMap<string, number>;
  readonly spanAttributes: AttributePlaces;
  readonly resourceAttributes: AttributePlaces;
  readonly scopeAttributes: AttributePlaces;
  readonly resourceColumns: readonly number[];
  readonly scopeColumns: readonly number[];
};
type AttributePlaces = {
  readonly dedicated: { readonly key: string; readonly column: number }[];
  readonly maps: { readonly column: number; readonly json: boolean }[];
};
type ReadValue = (column: number) => SqlValue;

const RESOURCE_FIXED = [
  "service_name",
  "resource_dropped_attributes_count",
  "resource_schema_url",
] as const satisfies readonly FixedColumnName[];
const SCOPE_FIXED = [
  "scope_name",
  "scope_version",
  "scope_dropped_attributes_count",
  "scope_schema_url",
] as const satisfies readonly FixedColumnName[];

function layoutOf(columnNames: readonly string[]): Layout {
  const fixed = new Map<string, number>();
  const spanAttributes: AttributePlaces = { dedicated: [], maps: [] };
  const resourceAttributes: AttributePlaces = { dedicated: [], maps: [] };
  const scopeAttributes: AttributePlaces = { dedicated: [], maps: [] };
  columnNames.forEach((name, column) => {
    const json = name.endsWith("_json");
    // No fixed column has a dot, so a dedicated column cannot be taken for one.
    if (name.startsWith("span.")) spanAttributes.dedicated.push({ key: name.slice(5), column });
    else if (name.startsWith("resource."))
      resourceAttributes.dedicated.push({ key: name.slice(9), column });
    else if (name.startsWith("span_attr_")) spanAttributes.maps.push({ column, json });
    else if (name.startsWith("resource_attr_")) resourceAttributes.maps.push({ column, json });
    else if (name.startsWith("scope_attr_")) scopeAttributes.maps.push({ column, json });
    else fixed.set(name, column);
  });
  const columnsOf = (names: readonly string[], places: AttributePlaces): number[] => [
    ...names.map((name) => fixed.get(name) ?? -1),
    ...places.dedicated.map((place) => place.column),
    ...places.maps.map((place) => place.column),
  ];
  return {
    fixed,
    spanAttributes,
    resourceAttributes,
    scopeAttributes,
    resourceColumns: columnsOf(RESOURCE_FIXED, resourceAttributes),
    scopeColumns: columnsOf(SCOPE_FIXED, scopeAttributes),
  };
}

function readSpan(layout: Layout, value: ReadValue): StoredSpan["span"] {
  const at = (name: string): SqlValue => value(layout.fixed.get(name) ?? -1);
  const exactStart = at("start_unix_nano");
  const exactEnd = at("end_unix_nano");
  const start = bigintOf(at("start_time"));
  const parent = at("parent_span_id");
  return {
    traceId: textOf(at("trace_id")),
    spanId: bigintOf(at("span_id")),
    parentSpanId: parent === null ? undefined : bigintOf(parent),
    traceState: textOf(at("trace_state")),
    flags: numberOf(at("flags")),
    name: textOf(at("name")),
    kind: numberOf(at("kind")),
    startUnixNano: exactStart === null ? start : bigintOf(exactStart),
    endUnixNano: exactEnd === null ? start + bigintOf(at("duration_ns")) : bigintOf(exactEnd),
    attributes: readAttributes(layout.spanAttributes, value, []),
    droppedAttributesCount: numberOf(at("dropped_attributes_count")),
    events: listOf(at("events")).map(readEvent),
    droppedEventsCount: numberOf(at("dropped_events_count")),
    links: listOf(at("links")).map(readLink),
    droppedLinksCount: numberOf(at("dropped_links_count")),
    statusCode: numberOf(at("status")),
    statusMessage: textOf(at("status_message")),
  };
}

function readResource(layout: Layout, value: ReadValue): Resource {
  const at = (name: string): SqlValue => value(layout.fixed.get(name) ?? -1);
  const serviceName = textOf(at("service_name"));
  const first: Attribute[] =
    serviceName === "" ? [] : [{ key: "service.name", value: serviceName }];
  return {
    attributes: readAttributes(layout.resourceAttributes, value, first),
    droppedAttributesCount: numberOf(at("resource_dropped_attributes_count")),
    schemaUrl: textOf(at("resource_schema_url")),
  };
}

function readScope(layout: Layout, value: ReadValue): InstrumentationScope {
  const at = (name: string): SqlValue => value(layout.fixed.get(name) ?? -1);
  return {
    name: textOf(at("scope_name")),
    version: textOf(at("scope_version")),
    attributes: readAttributes(layout.scopeAttributes, value, []),
    droppedAttributesCount: numberOf(at("scope_dropped_attributes_count")),
    schemaUrl: textOf(at("scope_schema_url")),
  };
}

function readAttributes(
  places: AttributePlaces,
  value: ReadValue,
  attributes: Attribute[],
): Attribute[] {
  for (const { key, column } of places.dedicated) {
    const stored = value(column);
    if (stored !== null) attributes.push({ key, value: attributeValue(stored) });
  }
  for (const { column, json } of places.maps) {
    for (const entry of listOf(value(column))) {
      const [key, stored] = entry as readonly [string, SqlValue];
      if (stored === null) continue;
      attributes.push({ key, value: json ? { json: textOf(stored) } : attributeValue(stored) });
    }
  }
  return attributes;
}

function readEvent(stored: SqlValue): SpanEvent {
  const event = stored as Struct;
  return {
    timeUnixNano: bigintOf(event.time_unix_nano),
    name: textOf(event.name),
    attributes: listOf(event.attributes).map(readStructAttribute),
    droppedAttributesCount: numberOf(event.dropped_attributes_count),
  };
}

function readLink(stored: SqlValue): SpanLink {
  const link = stored as Struct;
  return {
    traceId: textOf(link.trace_id) || NO_TRACE_ID,
    spanId: bigintOf(link.span_id),
    traceState: textOf(link.trace_state),
    flags: numberOf(link.flags),
    attributes: listOf(link.attributes).map(readStructAttribute),
    droppedAttributesCount: numberOf(link.dropped_attributes_count),
  };
}
const NO_TRACE_ID = "0".repeat(32);

function readStructAttribute(stored: SqlValue): Attribute {
  const { key, str, int, double, bool, json } = stored as Struct;
  const plain = str ?? int ?? double ?? bool ?? null;
  return {
    key: textOf(key),
    value: plain === null ? { json: textOf(json) || "{}" } : attributeValue(plain),
  };
}

type Struct = { readonly [field: string]: SqlValue };

/** The stored type decides: BIGINT comes as `bigint`, DOUBLE as `number`. */
function attributeValue(stored: SqlValue): AttributeValue {
  switch (typeof stored) {
    case "string":
    case "bigint":
    case "number":
    case "boolean":
      return stored;
    default:
      throw new Error("an attribute column holds neither a string nor a number nor a boolean");
  }
}

function textOf(value: SqlValue | undefined): string {
  return typeof value === "string" ? value : "";
}
function numberOf(value: SqlValue | undefined): number {
  return typeof value === "number" ? value : typeof value === "bigint" ? Number(value) : 0;
}
function bigintOf(value: SqlValue | undefined): bigint {
  return typeof value === "bigint" ? value : typeof value === "number" ? BigInt(value) : 0n;
}
function listOf(value: SqlValue | undefined): readonly SqlValue[] {
  return Array.isArray(value) ? value : [];
}

/** More than a trace usually has services. */
const MAX_RECENT_ROWS = 32;

/**
 * What rows that agree in some columns share, without building it for each: the columns of a row may
 * hold thousands of attributes, and comparing them costs a fraction.
 */
class RecentRows<T> {
  readonly #columns: readonly number[];
  /** Last used first. */
  readonly #rows: { readonly values: readonly SqlValue[]; readonly made: T }[] = [];

  constructor(columns: readonly number[]) {
    this.#columns = columns;
  }

  get(value: ReadValue, make: () => T): T {
    const at = this.#rows.findIndex(({ values }) =>
      this.#columns.every((column, i) => sameValue(values[i]!, value(column))),
    );
    const known = this.#rows[at];
    if (known === undefined) {
      const made = make();
      this.#rows.unshift({ values: this.#columns.map(value), made });
      if (this.#rows.length > MAX_RECENT_ROWS) this.#rows.pop();
      return made;
    }
    if (at > 0) {
      this.#rows.splice(at, 1);
      this.#rows.unshift(known);
    }
    return known.made;
  }
}

/** Of stored values: scalars, and lists of them. */
function sameValue(a: SqlValue, b: SqlValue): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return Object.is(a, b);
  return a.length === b.length && a.every((element, i) => sameValue(element, b[i]));
}

/** Tells -0 from 0, which are different values to the sender. */
function numberKey(value: SqlValue): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Independent of the order, which differs between segments. */
function attributesKey(attributes: readonly Attribute[]): string {
  const parts = attributes.map(({ key, value }) =>
    JSON.stringify([
      key,
      typeof value,
      typeof value === "object" ? value.json : numberKey(value as SqlValue),
    ]),
  );
  return parts.sort().join();
}
