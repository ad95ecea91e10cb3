import type { SqlValue } from "../drivers/duckdb/database.ts";
import type { StoredAttributeType } from "../schema/columns.ts";

/** The type decides how a query builder quotes the value. */
export type TagValueType = "string" | "int" | "float" | "bool" | "duration" | "keyword";
export type TagValue = { readonly type: TagValueType; readonly value: string };

/** Of a stored value; arrays give their elements, bytes and maps nothing. */
export function tagValuesOf(type: StoredAttributeType, value: SqlValue): readonly TagValue[] {
  if (value === null) return [];
  return tagValuesOfText(type, String(value));
}

/** Of a value as the catalog lists it. */
export function tagValuesOfText(type: StoredAttributeType, text: string): readonly TagValue[] {
  switch (type) {
    case "string":
      return [{ type: "string", value: text }];
    case "int":
      return [{ type: "int", value: text }];
    case "bool":
      return [{ type: "bool", value: text }];
    case "double":
      return [{ type: "float", value: floatText(Number(text)) }];
    case "json":
      return elementsOf(text);
    default:
      return type satisfies never;
  }
}

/** Shortest form, never taken for an integer. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const text = Object.is(value, -0) ? "-0" : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function elementsOf(json: string): readonly TagValue[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return [];
  }
  const elements = (parsed as { arrayValue?: { values?: unknown } } | null)?.arrayValue?.values;
  return Array.isArray(elements) ? elements.flatMap(elementValue) : [];
}

function elementValue(element: unknown): readonly TagValue[] {
  const { stringValue, intValue, doubleValue, boolValue } = (element ?? {}) as {
    readonly [key: string]: unknown;
  };
  if (typeof stringValue === "string") return [{ type: "string", value: stringValue }];
  if (typeof intValue === "string") return [{ type: "int", value: intValue }];
  if (typeof doubleValue === "number") return [{ type: "float", value: floatText(doubleValue) }];
  if (typeof boolValue === "boolean") return [{ type: "bool", value: String(boolValue) }];
  return [];
}
