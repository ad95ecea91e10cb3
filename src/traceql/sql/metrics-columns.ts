import type { SqlType } from "../../schema/columns.ts";
import type { FieldRef } from "../ast.ts";
import { ExprCompiler } from "./expr-compiler.ts";
import type { SegmentShape } from "./segment-shape.ts";
import { joinSql, rawSql, type Sql, sql } from "./sql.ts";
import { scalarTypes, unwrapped, type ValueType } from "./value.ts";

/** What a label's value is; ids rest in their stored form until the rows are grouped. */
export type LabelType = ValueType | "traceId" | "spanId";

/** The order in which alternatives of one field stand in a row. */
export const LABEL_TYPES: readonly LabelType[] = [
  "string",
  "int",
  "double",
  "bool",
  "duration",
  "status",
  "kind",
  "traceId",
  "spanId",
];

export const LABEL_SQL_TYPES: Readonly<Record<LabelType, SqlType>> = {
  string: "VARCHAR",
  int: "BIGINT",
  double: "DOUBLE",
  bool: "BOOLEAN",
  duration: "BIGINT",
  status: "INTEGER",
  kind: "INTEGER",
  traceId: "UUID",
  spanId: "UBIGINT",
};

export type LabelColumn = { readonly type: LabelType; readonly sql: Sql };

/**
 * What to group rows by for one label: the plain stored columns, as the database groups those
 * fastest. At most one of them is not NULL on a row; all of them NULL is nil. None: always nil.
 * An array of one element is that element, any other array is nil.
 */
export function labelColumns(field: FieldRef, shape: SegmentShape): LabelColumn[] {
  const compiler = new ExprCompiler(shape);
  const value = compiler.value({ type: "field", field });
  if (value.id !== undefined) {
    const { sort, raw } = value.id;
    return sort === "trace"
      ? [{ type: "traceId", sql: raw }]
      : [{ type: "spanId", sql: sql`COALESCE(${raw}, CAST(0 AS UBIGINT))` }];
  }
  const { scalars } = unwrapped(value, compiler.names);
  return LABEL_TYPES.flatMap((type) => {
    const text = type === "traceId" || type === "spanId" ? undefined : scalars[type];
    return text === undefined ? [] : [{ type, sql: text }];
  });
}

/** True where the field is an array that no label shows, NULL elsewhere. Undefined: it never is. */
export function arrayTest(field: FieldRef, shape: SegmentShape): Sql | undefined {
  const compiler = new ExprCompiler(shape);
  const value = compiler.value({ type: "field", field });
  if (value.array === undefined) return undefined;
  const scalars = Object.values(unwrapped(value, compiler.names).scalars);
  const shown = scalars.map((part) => sql`${part} IS NOT NULL`);
  if (shown.length === 0) return value.array.any;
  return sql`(${value.array.any} AND NOT (${joinSql(shown, " OR ")}))`;
}

/** The number that a function is taken over. */
export type Measure = { readonly sql: Sql; readonly type: "BIGINT" | "DOUBLE" };

/**
 * The field's number on a row, NULL where it has none; NaN is none. Durations are nanoseconds.
 * Undefined: no row of the segment has one. `whole`: floats do not count.
 */
export function measureColumn(
  field: FieldRef,
  shape: SegmentShape,
  whole: boolean,
): Measure | undefined {
  const compiler = new ExprCompiler(shape);
  const { scalars } = unwrapped(compiler.value({ type: "field", field }), compiler.names);
  const integer = scalars.int ?? scalars.duration;
  const double = whole ? undefined : scalars.double;
  if (double === undefined) {
    return integer === undefined
      ? undefined
      : { sql: sql`CAST(${integer} AS BIGINT)`, type: "BIGINT" };
  }
  const number = compiler.names.bind(double, (d) => sql`CASE WHEN NOT isnan(${d}) THEN ${d} END`);
  const text =
    scalarTypes({ scalars, lists: {}, present: false }).length > 0 && integer !== undefined
      ? sql`COALESCE(${number}, CAST(${integer} AS DOUBLE))`
      : number;
  return { sql: text, type: "DOUBLE" };
}

/** Beyond it a double does not hold every integer to the bit that its logarithm needs. */
export const EXACT_LOG2 = 2n ** 48n;

/**
 * The exponent of the smallest power of two that is at least `value`, a BIGINT of at least 2, as a
 * small integer. Exact for all of int64; `small`: only up to `EXACT_LOG2`, and cheaper.
 */
export function log2Bucket(value: Sql, small: boolean): Sql {
  const plain = sql`CAST(ceil(log2(${value})) AS INTEGER)`;
  if (small) return plain;
  let beyond = "48";
  for (let exponent = 48n; exponent < 63n; exponent++) {
    beyond += ` + CAST(${value.text} > ${2n ** exponent} AS INTEGER)`;
  }
  return sql`CASE WHEN ${value} <= ${EXACT_LOG2} THEN ${plain} ELSE ${rawSql(beyond)} END`;
}
