import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBUnionValue,
  type DuckDBValue,
} from "@duckdb/node-api";

/** A value as text, as DuckDB prints it; NULL is `undefined`. */
export function cellText(value: DuckDBValue): string | undefined {
  if (value === null) return undefined;
  if (isNested(value)) return cellJson(value);
  return String(value);
}

/**
 * A value as JSON text. Integers of any size and decimals are numbers with all their digits, maps
 * with text keys and structs are objects, NaN and the infinities are strings.
 */
export function cellJson(value: DuckDBValue): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "boolean":
    case "bigint":
      return String(value);
    case "number":
      return Number.isFinite(value) ? String(value) : JSON.stringify(String(value));
    case "string":
      return JSON.stringify(value);
    default:
      return objectJson(value);
  }
}

function objectJson(value: Exclude<DuckDBValue, null | boolean | bigint | number | string>) {
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) {
    return `[${value.items.map(cellJson).join(",")}]`;
  }
  if (value instanceof DuckDBStructValue) {
    const fields = Object.entries(value.entries);
    return `{${fields.map(([k, v]) => `${JSON.stringify(k)}:${cellJson(v)}`).join(",")}}`;
  }
  if (value instanceof DuckDBMapValue) return mapJson(value);
  if (value instanceof DuckDBUnionValue) return cellJson(value.value);
  if (value instanceof DuckDBDecimalValue) return value.toString();
  if (value instanceof DuckDBBlobValue) return JSON.stringify(value.toString());
  return JSON.stringify(value.toString());
}

function mapJson({ entries }: DuckDBMapValue): string {
  if (entries.every(({ key }) => typeof key === "string")) {
    const fields = entries.map(({ key, value }) => `${JSON.stringify(key)}:${cellJson(value)}`);
    return `{${fields.join(",")}}`;
  }
  const pairs = entries.map((e) => `{"key":${cellJson(e.key)},"value":${cellJson(e.value)}}`);
  return `[${pairs.join(",")}]`;
}

function isNested(value: DuckDBValue): boolean {
  return (
    value instanceof DuckDBListValue ||
    value instanceof DuckDBArrayValue ||
    value instanceof DuckDBStructValue ||
    value instanceof DuckDBMapValue ||
    value instanceof DuckDBUnionValue
  );
}
