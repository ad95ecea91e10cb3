import type { AttributeScope, FieldRef, KindWord, StatusWord } from "../ast.ts";
import { formatDuration } from "../duration.ts";
import { KIND_CODES, STATUS_CODES } from "../words.ts";
import {
  eventsColumn,
  type FieldSource,
  fieldValue,
  homeSql,
  homesOf,
  linksColumn,
  listOfField,
  OWN,
  PARENT,
} from "./field-value.ts";
import { LambdaNames } from "./names.ts";
import type { AttributeHome, SegmentShape } from "./segment-shape.ts";
import { rawSql, type Sql, sql } from "./sql.ts";
import { occupied, scalarTypes } from "./value.ts";

/** A value in OTLP's JSON form. */
export type AnyValueLike =
  | { readonly stringValue: string }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly boolValue: boolean }
  | { readonly arrayValue: { readonly values: readonly AnyValueLike[] } };

/**
 * One expression for a SELECT list that gives the field's value on a row, for `decodeEchoValue`.
 * Undefined when no row of the segment has the field: select NULL there. Attributes of every
 * segment have the same type (`ECHO_TYPE`), so that the SELECTs can be joined by UNION ALL.
 *
 * Of a field of events or links the first one that has it counts.
 */
export function fieldToSql(field: FieldRef, shape: SegmentShape): Sql | undefined {
  const names = new LambdaNames();
  const list = listOfField(field);
  if (list !== undefined) return listFieldToSql(list, field, shape, names);
  const source: FieldSource = { shape, names, context: {} };
  if (field.type === "intrinsic") return intrinsicSql(field, source);
  const { scope } = field;
  if (scope !== "any") return attributeSql(scope, field, source);
  const span = attributeSql("span", field, source);
  const resource = attributeSql("resource", field, source);
  if (span === undefined) return resource;
  const hides = occupied(fieldValue({ ...field, scope: "span" }, source));
  if (resource === undefined || hides === undefined) return span;
  return sql`CASE WHEN ${hides} THEN ${span} ELSE ${resource} END`;
}

/** The SQL type of an attribute's echo. */
export const ECHO_TYPE = "STRUCT(s VARCHAR, i BIGINT, d DOUBLE, b BOOLEAN, j VARCHAR)";

const ECHO_FIELDS = { string: "s", int: "i", double: "d", bool: "b", json: "j" } as const;

function intrinsicSql(field: FieldRef, source: FieldSource): Sql | undefined {
  const value = fieldValue(field, source);
  return value.scalars[scalarTypes(value)[0]!];
}

function attributeSql(
  scope: AttributeScope,
  field: Exclude<FieldRef, { type: "intrinsic" }>,
  source: FieldSource,
): Sql | undefined {
  if (scope !== "span" && scope !== "resource" && scope !== "instrumentation") return undefined;
  const { key } = field;
  const owner = field.type === "attribute" ? OWN : PARENT;
  const homes = homesOf(source.shape, scope, key, owner);
  if (scope === "resource" && key === "service.name") {
    const resource: FieldRef =
      field.type === "attribute" ? { ...field, scope } : { ...field, scope };
    const string = fieldValue(resource, source).scalars.string;
    const others = homes.filter((home) => home.type !== "string");
    return echoStruct(others, key, string);
  }
  return homes.length === 0 ? undefined : echoStruct(homes, key, undefined);
}

function echoStruct(homes: readonly AttributeHome[], key: string, string: Sql | undefined): Sql {
  const parts: Partial<Record<string, Sql>> = string === undefined ? {} : { s: string };
  for (const home of homes) parts[ECHO_FIELDS[home.type]] = homeSql(home, key);
  return structOf(parts);
}

export function structOf(parts: Partial<Record<string, Sql>>): Sql {
  const of = (name: string) => parts[name] ?? NULL;
  return sql`CAST({'s': ${of("s")}, 'i': ${of("i")}, 'd': ${of("d")}, 'b': ${of("b")}, 'j': ${of("j")}} AS ${rawSql(ECHO_TYPE)})`;
}

const NULL = rawSql("NULL");

function listFieldToSql(
  list: "event" | "link",
  field: FieldRef,
  shape: SegmentShape,
  names: LambdaNames,
): Sql | undefined {
  if (!(list === "event" ? shape.hasEvents : shape.hasLinks)) return undefined;
  const items = list === "event" ? eventsColumn() : linksColumn();
  const item = names.next();
  if (field.type === "intrinsic") {
    const value = intrinsicSql(field, { shape, names, context: { [list]: item } });
    return value && sql`list_transform(${items}, lambda ${item}: ${value})[1]`;
  }
  if (field.type !== "attribute" || shape.listTypes(list, field.key).length === 0) return undefined;
  const source: FieldSource = { shape, names, context: { [list]: item } };
  const present = occupied(fieldValue(field, source));
  if (present === undefined) return undefined;
  const entry = names.next();
  const found = sql`list_filter(list_filter(${items}, lambda ${item}: ${present})[1].attributes, lambda ${entry}: ${entry}.key = ${field.key})[1]`;
  return names.bind(found, (a) =>
    structOf({
      s: sql`${a}.str`,
      i: sql`${a}.int`,
      d: sql`${a}.double`,
      b: sql`${a}.bool`,
      j: sql`${a}.json`,
    }),
  );
}

/**
 * What `fieldToSql` selected (64-bit integers as bigint, structs as objects), as an OTLP value; undefined
 * when the span has none to show.
 */
export function decodeEchoValue(value: unknown, field: FieldRef): AnyValueLike | undefined {
  if (value === null || value === undefined) return undefined;
  if (field.type === "intrinsic") return decodeIntrinsic(value, field);
  if (typeof value !== "object") return plainValue(value);
  const struct = value as { readonly [name: string]: unknown };
  for (const name of ["s", "i", "d", "b"]) {
    const part = plainValue(struct[name]);
    if (part !== undefined) return part;
  }
  return typeof struct.j === "string" ? decodeArray(struct.j) : undefined;
}

function decodeIntrinsic(
  value: unknown,
  field: FieldRef & { type: "intrinsic" },
): AnyValueLike | undefined {
  switch (field.name) {
    case "status":
      return { stringValue: statusWord(Number(value)) };
    case "kind":
      return { stringValue: kindWord(Number(value)) };
    case "duration":
    case "traceDuration":
    case "event:timeSinceStart":
      return typeof value === "bigint" || typeof value === "number"
        ? { stringValue: formatDuration(BigInt(value)) }
        : undefined;
    case "nestedSetLeft":
    case "nestedSetRight":
    case "nestedSetParent":
    case "span:childCount":
      return { intValue: String(value) };
    default:
      return plainValue(value);
  }
}

/** Codes that OTLP does not know rest as received; they read like the default. */
export function statusWord(code: number): StatusWord {
  for (const [word, known] of Object.entries(STATUS_CODES)) {
    if (known === code) return word as StatusWord;
  }
  return "unset";
}

export function kindWord(code: number): KindWord {
  for (const [word, known] of Object.entries(KIND_CODES)) {
    if (known === code) return word as KindWord;
  }
  return "unspecified";
}

function plainValue(value: unknown): AnyValueLike | undefined {
  switch (typeof value) {
    case "string":
      return { stringValue: value };
    case "bigint":
      return { intValue: value.toString() };
    case "number":
      return { doubleValue: value };
    case "boolean":
      return { boolValue: value };
    default:
      return undefined;
  }
}

const ELEMENT_KEYS = ["stringValue", "intValue", "doubleValue", "boolValue"] as const;

/** A homogeneous array with elements; every other stored value is not queryable and not shown. */
export function decodeArray(json: string): AnyValueLike | undefined {
  const parsed = JSON.parse(json) as { arrayValue?: { values?: Record<string, unknown>[] } };
  const elements = parsed.arrayValue?.values ?? [];
  const key = ELEMENT_KEYS.find((name) => elements[0] !== undefined && name in elements[0]);
  if (key === undefined || !elements.every((element) => key in element)) return undefined;
  const values = elements.map((element): AnyValueLike => {
    const value = element[key];
    switch (key) {
      case "stringValue":
        return { stringValue: String(value) };
      case "intValue":
        return { intValue: String(value) };
      case "doubleValue":
        return { doubleValue: Number(value) };
      case "boolValue":
        return { boolValue: value === true };
      default:
        return key satisfies never;
    }
  });
  return { arrayValue: { values } };
}
