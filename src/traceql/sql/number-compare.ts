import type { CompareOp, Static } from "../ast.ts";
import { type Bool, FALSE, nullable } from "./bool.ts";
import { rawSql, type Sql, sql } from "./sql.ts";
import type { ValueType } from "./value.ts";

type Number = { readonly type: ValueType; readonly sql: Sql };

export function isIntegral(type: ValueType): boolean {
  return type === "int" || type === "duration";
}

const OPERATORS: Readonly<Record<CompareOp, Sql>> = {
  "=": rawSql("="),
  "!=": rawSql("<>"),
  "<": rawSql("<"),
  "<=": rawSql("<="),
  ">": rawSql(">"),
  ">=": rawSql(">="),
};

/**
 * Ints and durations compare exactly, any mix with a double as doubles. DuckDB sorts NaN above
 * everything and equal to itself; here it compares as IEEE 754 says.
 */
export function compareNumbers(
  op: CompareOp,
  a: Number,
  b: Number,
  literal: Static | undefined,
): Bool {
  if (isIntegral(a.type) && isIntegral(b.type)) return plain(op, a.sql, b.sql);
  if (literal !== undefined) {
    const value = Number(literal.value);
    if (Number.isNaN(value)) return op === "!=" ? nullable(sql`(${a.sql} IS NOT NULL)`) : FALSE;
    if (isIntegral(a.type)) return compareIntegralToFloat(op, a.sql, value);
    const test = plain(op, a.sql, sql`${value}`);
    if (op !== ">" && op !== ">=") return test;
    return nullable(sql`(${test.sql} AND NOT isnan(${a.sql}))`);
  }
  const x = asDouble(a);
  const y = asDouble(b);
  const test = plain(op, x, y).sql;
  switch (op) {
    case "=":
    case ">":
    case ">=":
      return nullable(sql`(${test} AND NOT isnan(${x}))`);
    case "<":
    case "<=":
      return nullable(sql`(${test} AND NOT isnan(${y}))`);
    case "!=":
      return nullable(sql`(${test} OR (isnan(${x}) AND isnan(${y})))`);
    default:
      return op satisfies never;
  }
}

function plain(op: CompareOp, a: Sql, b: Sql): Bool {
  return nullable(sql`(${a} ${OPERATORS[op]} ${b})`);
}

function asDouble(number: Number): Sql {
  return number.type === "double" ? number.sql : sql`CAST(${number.sql} AS DOUBLE)`;
}

/**
 * Below 2^53 a comparison with a float is one with an integer, which the scan can use to skip row
 * groups: `x > 1.5` is `x > 1`.
 */
function compareIntegralToFloat(op: CompareOp, x: Sql, value: number): Bool {
  if (Math.abs(value) >= 2 ** 53) {
    return plain(op, sql`CAST(${x} AS DOUBLE)`, sql`${value}`);
  }
  const whole = Number.isInteger(value);
  switch (op) {
    case "=":
      return whole ? plain(op, x, sql`${BigInt(value)}`) : FALSE;
    case "!=":
      return whole ? plain(op, x, sql`${BigInt(value)}`) : nullable(sql`(${x} IS NOT NULL)`);
    case ">":
    case "<=":
      return plain(op, x, sql`${BigInt(Math.floor(value))}`);
    case ">=":
    case "<":
      return plain(op, x, sql`${BigInt(Math.ceil(value))}`);
    default:
      return op satisfies never;
  }
}
