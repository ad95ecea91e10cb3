import type { AttributeScopeName, StoredAttributeType } from "../../schema/columns.ts";
import {
  EVENTS_COLUMN,
  EXACT_TIME_COLUMNS,
  type FixedColumnName,
  LINKS_COLUMN,
} from "../../schema/columns.ts";
import type { FieldRef, IntrinsicName } from "../ast.ts";
import { spanIdText, traceIdText } from "./id.ts";
import { jsonArray } from "./json-array.ts";
import type { LambdaNames } from "./names.ts";
import { parentColumn } from "./parent-join.ts";
import type { AttributeHome, SegmentShape } from "./segment-shape.ts";
import { quoteIdentifier, rawSql, type Sql, sql } from "./sql.ts";
import {
  ABSENT,
  listTypes,
  occupied,
  scalar,
  scalarTypes,
  type Value,
  type ValueType,
} from "./value.ts";

/** The event and the link that fields of those scopes are read from, by their lambdas' names. */
export type ListContext = { readonly event?: Sql; readonly link?: Sql };

export type FieldSource = {
  readonly shape: SegmentShape;
  readonly names: LambdaNames;
  readonly context: ListContext;
};

export function column(name: FixedColumnName): Sql {
  return quoteIdentifier(name);
}

export function eventsColumn(): Sql {
  return quoteIdentifier(EVENTS_COLUMN);
}

export function linksColumn(): Sql {
  return quoteIdentifier(LINKS_COLUMN);
}

/** Which list a field is read from, if any. */
export function listOfField(field: FieldRef): "event" | "link" | undefined {
  if (field.type === "parent-attribute") return undefined;
  const scope =
    field.type === "intrinsic" ? field.name.slice(0, field.name.indexOf(":")) : field.scope;
  return scope === "event" || scope === "link" ? scope : undefined;
}

/** The value of a field on a row. Fields of events and links need their context. */
export function fieldValue(field: FieldRef, source: FieldSource): Value {
  switch (field.type) {
    case "intrinsic":
      return intrinsicValue(field.name, source);
    case "attribute":
      if (field.scope === "event" || field.scope === "link") {
        return listAttributeValue(field.scope, field.key, source);
      }
      return scopedValue(field.scope, field.key, source.shape, OWN);
    case "parent-attribute":
      return scopedValue(field.scope, field.key, source.shape, PARENT);
    default:
      return field satisfies never;
  }
}

/** Whose attributes: the row's own span, or its parent, whose columns stand beside (`parentColumn`). */
export type Owner = { readonly column: (name: string) => string; readonly exists: boolean };
export const OWN: Owner = { column: (name) => name, exists: true };
export const PARENT: Owner = { column: parentColumn, exists: false };

function scopedValue(
  scope: "any" | "span" | "resource" | "instrumentation",
  key: string,
  shape: SegmentShape,
  owner: Owner,
): Value {
  switch (scope) {
    case "any":
      return hiding(
        attributeValue(homesOf(shape, "span", key, owner), key),
        resourceValue(key, shape, owner),
      );
    case "resource":
      return resourceValue(key, shape, owner);
    case "span":
    case "instrumentation":
      return attributeValue(homesOf(shape, scope, key, owner), key);
    default:
      return scope satisfies never;
  }
}

/** The homes of an attribute of `owner`: a parent's attributes rest as those of any other span. */
export function homesOf(
  shape: SegmentShape,
  scope: AttributeScopeName,
  key: string,
  owner: Owner,
): readonly AttributeHome[] {
  return shape.homes(scope, key).map((home) => ({ ...home, column: owner.column(home.column) }));
}

function intrinsicValue(name: IntrinsicName, source: FieldSource): Value {
  const fixed = (type: ValueType, columnName: FixedColumnName) =>
    scalar(type, column(columnName), true);
  switch (name) {
    case "name":
      return fixed("string", "name");
    case "duration":
      return fixed("duration", "duration_ns");
    case "status":
      return fixed("status", "status");
    case "statusMessage":
      return fixed("string", "status_message");
    case "kind":
      return fixed("kind", "kind");
    case "rootName":
      return fixed("string", "root_span_name");
    case "rootServiceName":
      return fixed("string", "root_service_name");
    case "traceDuration":
      return fixed("duration", "trace_duration_ns");
    case "nestedSetLeft":
      return fixed("int", "nested_left");
    case "nestedSetRight":
      return fixed("int", "nested_right");
    case "nestedSetParent":
      return fixed("int", "nested_parent");
    case "span:childCount":
      return fixed("int", "child_count");
    case "instrumentation:name":
      return fixed("string", "scope_name");
    case "instrumentation:version":
      return fixed("string", "scope_version");
    case "trace:id":
      return traceIdValue(column("trace_id"), false);
    case "span:id":
      return spanIdValue(column("span_id"), false);
    case "span:parentID":
      return spanIdValue(column("parent_span_id"), true);
    case "event:name":
      return listIntrinsic(source.context.event, (event) =>
        scalar("string", sql`COALESCE(${event}.name, '')`, true),
      );
    case "event:timeSinceStart":
      return listIntrinsic(source.context.event, (event) =>
        scalar("duration", timeSinceStart(event, source.shape), true),
      );
    case "link:traceID":
      return listIntrinsic(source.context.link, (link) =>
        traceIdValue(sql`COALESCE(${link}.trace_id, ${{ uuid: "0".repeat(32) }})`, false),
      );
    case "link:spanID":
      return listIntrinsic(source.context.link, (link) => spanIdValue(sql`${link}.span_id`, true));
    case "parent":
      throw new Error("the intrinsic parent was not refused by the checker");
    default:
      return name satisfies never;
  }
}

function traceIdValue(raw: Sql, nullIsZero: boolean): Value {
  const value = scalar("string", traceIdText(raw), true);
  return { ...value, id: { sort: "trace", raw, nullIsZero } };
}

function spanIdValue(raw: Sql, nullIsZero: boolean): Value {
  const value = scalar("string", spanIdText(raw), true);
  return { ...value, id: { sort: "span", raw, nullIsZero } };
}

function listIntrinsic(item: Sql | undefined, value: (item: Sql) => Value): Value {
  if (item === undefined) throw new Error("a field of events or links outside their context");
  return value(item);
}

/** Clamped to int64: times are unsigned, and either may be the later one. */
function timeSinceStart(event: Sql, shape: SegmentShape): Sql {
  const stored = sql`epoch_ns(${column("start_time")})`;
  const start = shape.hasExactTimes
    ? sql`COALESCE(CAST(${quoteIdentifier(EXACT_TIME_COLUMNS[0])} AS HUGEINT), ${stored})`
    : stored;
  const time = sql`CAST(COALESCE(${event}.time_unix_nano, 0) AS HUGEINT)`;
  const min = -(2n ** 63n);
  const max = 2n ** 63n - 1n;
  return sql`CAST(greatest(least(${time} - ${start}, ${max}), ${min}) AS BIGINT)`;
}

const VALUE_TYPES: Readonly<Record<Exclude<StoredAttributeType, "json">, ValueType>> = {
  string: "string",
  int: "int",
  double: "double",
  bool: "bool",
};

/** A scalar attribute's value where it rests: its own column, or the overflow map of its type. */
export function homeSql(home: AttributeHome, key: string): Sql {
  const name = quoteIdentifier(home.column);
  return home.dedicated ? name : sql`${name}[${key}]`;
}

function attributeValue(homes: readonly AttributeHome[], key: string): Value {
  return valueOfHomes(homes.map((home) => ({ type: home.type, sql: homeSql(home, key) })));
}

function valueOfHomes(
  homes: readonly { readonly type: StoredAttributeType; readonly sql: Sql }[],
): Value {
  const scalars: Partial<Record<ValueType, Sql>> = {};
  let json: Pick<Value, "lists" | "array"> | undefined;
  for (const home of homes) {
    if (home.type === "json") json = jsonArray(home.sql);
    else scalars[VALUE_TYPES[home.type]] = home.sql;
  }
  return { ...ABSENT, scalars, ...json };
}

/** `service.name` is never absent where there is a span: without one of another type it is the string column. */
function resourceValue(key: string, shape: SegmentShape, owner: Owner): Value {
  const homes = homesOf(shape, "resource", key, owner);
  if (key !== "service.name") return attributeValue(homes, key);
  const others = attributeValue(
    homes.filter((home) => home.type !== "string"),
    key,
  );
  const taken = occupied(others);
  const name = quoteIdentifier(owner.column("service_name"));
  if (taken === undefined) return scalar("string", name, owner.exists);
  const string = sql`CASE WHEN NOT ${taken} THEN ${name} END`;
  return { ...others, scalars: { ...others.scalars, string } };
}

const STRUCT_FIELDS: Readonly<Record<StoredAttributeType, Sql>> = {
  string: rawSql("str"),
  int: rawSql("int"),
  double: rawSql("double"),
  bool: rawSql("bool"),
  json: rawSql("json"),
};

/** The value of the first event or link that has the field, for rows of which any may have it. */
export function firstListValue(
  list: "event" | "link",
  field: FieldRef,
  { shape, names, context }: FieldSource,
): Value {
  if (!(list === "event" ? shape.hasEvents : shape.hasLinks)) return ABSENT;
  const items = list === "event" ? eventsColumn() : linksColumn();
  const item = names.next();
  const inner: FieldSource = { shape, names, context: { ...context, [list]: item } };
  const value = fieldValue(field, inner);
  if (field.type === "intrinsic") {
    const type = scalarTypes(value)[0]!;
    return scalar(
      type,
      sql`list_transform(${items}, lambda ${item}: ${value.scalars[type]!})[1]`,
      false,
    );
  }
  const there = occupied(value);
  if (field.type !== "attribute" || there === undefined) return ABSENT;
  const attributes = sql`list_filter(${items}, lambda ${item}: ${there})[1].attributes`;
  return entryValue(attributes, shape.listTypes(list, field.key), field.key, names);
}

/** An attribute of the event or link at hand. */
function listAttributeValue(scope: "event" | "link", key: string, source: FieldSource): Value {
  const item = source.context[scope];
  if (item === undefined) throw new Error(`a field of scope ${scope} outside its context`);
  const types = source.shape.listTypes(scope, key);
  return entryValue(sql`${item}.attributes`, types, key, source.names);
}

function entryValue(
  attributes: Sql,
  types: readonly StoredAttributeType[],
  key: string,
  names: LambdaNames,
): Value {
  if (types.length === 0) return ABSENT;
  const name = names.next();
  const found = sql`list_filter(${attributes}, lambda ${name}: ${name}.key = ${key})[1]`;
  return valueOfHomes(types.map((type) => ({ type, sql: sql`(${found}).${STRUCT_FIELDS[type]}` })));
}

/** An unscoped attribute: the span's, which hides the resource's whatever its type. */
function hiding(span: Value, resource: Value): Value {
  const hides = occupied(span);
  if (hides === undefined) return resource;
  if (occupied(resource) === undefined) return span;
  const only = scalarTypes(span);
  const simple = only.length === 1 && listTypes(span).length === 0;
  const merge = <K extends string>(
    own: Partial<Readonly<Record<K, Sql>>>,
    other: Partial<Readonly<Record<K, Sql>>>,
  ) => {
    const merged: Partial<Record<K, Sql>> = {};
    for (const type of new Set([...Object.keys(own), ...Object.keys(other)]) as Set<K>) {
      const mine = own[type];
      const theirs = other[type];
      if (theirs === undefined) merged[type] = mine;
      else if (mine === undefined) merged[type] = sql`CASE WHEN NOT ${hides} THEN ${theirs} END`;
      else if (simple) merged[type] = sql`COALESCE(${mine}, ${theirs})`;
      else merged[type] = sql`CASE WHEN ${hides} THEN ${mine} ELSE ${theirs} END`;
    }
    return merged;
  };
  const array = hidingArrays(span.array, resource.array, hides);
  return {
    scalars: merge(span.scalars, resource.scalars),
    lists: merge(span.lists, resource.lists),
    ...(array === undefined ? {} : { array }),
    present: false,
  };
}

function hidingArrays(span: Value["array"], resource: Value["array"], hides: Sql): Value["array"] {
  if (resource === undefined) return span;
  const inherited = {
    nonEmpty: sql`(NOT ${hides} AND ${resource.nonEmpty})`,
    any: sql`(NOT ${hides} AND ${resource.any})`,
    json: sql`CASE WHEN NOT ${hides} THEN ${resource.json} END`,
  };
  if (span === undefined) return inherited;
  return {
    nonEmpty: sql`(${span.nonEmpty} OR ${inherited.nonEmpty})`,
    any: sql`(${span.any} OR ${inherited.any})`,
    json: sql`CASE WHEN ${hides} THEN ${span.json} ELSE ${resource.json} END`,
  };
}
