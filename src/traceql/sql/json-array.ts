import { joinSql, rawSql, type Sql, sql } from "./sql.ts";
import type { Value, ValueType } from "./value.ts";

/** Member of an OTLP/JSON AnyValue, and how its text becomes a value. */
const ELEMENTS: readonly { type: ValueType; path: Sql; cast: Sql | undefined }[] = [
  { type: "string", path: rawSql("'$.arrayValue.values[*].stringValue'"), cast: undefined },
  { type: "int", path: rawSql("'$.arrayValue.values[*].intValue'"), cast: rawSql("BIGINT[]") },
  {
    type: "double",
    path: rawSql("'$.arrayValue.values[*].doubleValue'"),
    cast: rawSql("DOUBLE[]"),
  },
  { type: "bool", path: rawSql("'$.arrayValue.values[*].boolValue'"), cast: rawSql("BOOLEAN[]") },
];

/**
 * The arrays in `json`, the OTLP/JSON text of an AnyValue: homogeneous ones of strings, numbers or
 * booleans. Anything else, be it mixed, nested, a list of pairs or bytes, counts as absent.
 */
export function jsonArray(json: Sql): Pick<Value, "lists" | "array"> {
  const count = sql`json_array_length(${json}, '$.arrayValue.values')`;
  const lists: Partial<Record<ValueType, Sql>> = {};
  const lengths: Sql[] = [];
  for (const { type, path, cast } of ELEMENTS) {
    const texts = sql`json_extract_string(${json}, ${path})`;
    const list = cast === undefined ? texts : sql`TRY_CAST(${texts} AS ${cast})`;
    lists[type] = sql`CASE WHEN ${count} > 0 AND len(${texts}) = ${count} THEN ${list} END`;
    lengths.push(sql`len(${texts})`);
  }
  const homogeneous = sql`list_contains([${joinSql(lengths, ", ")}], ${count})`;
  return {
    lists,
    array: {
      nonEmpty: sql`COALESCE(${count} > 0 AND ${homogeneous}, FALSE)`,
      // Without the list itself there is no count: then an array is an empty one.
      any: sql`COALESCE(${homogeneous}, json_type(${json}, '$.arrayValue') = 'OBJECT', FALSE)`,
      json,
    },
  };
}
