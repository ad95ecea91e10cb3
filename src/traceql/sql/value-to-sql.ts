import type { FieldExpr } from "../ast.ts";
import { typeOfField } from "../check/types.ts";
import { formatDuration } from "../duration.ts";
import { ExprCompiler } from "./expr-compiler.ts";
import {
  type AnyValueLike,
  decodeArray,
  ECHO_TYPE,
  kindWord,
  statusWord,
  structOf,
} from "./field.ts";
import { foldedToDepth } from "./filter.ts";
import type { SegmentShape } from "./segment-shape.ts";
import { joinSql, rawSql, type Sql, sql } from "./sql.ts";
import { unwrapped } from "./value.ts";

/** What an integer in an expression's value stands for; `plain` is a number like any other. */
export type ValueSort = "plain" | "duration" | "status" | "kind";

/** Known before run time: dynamic attributes and the results of arithmetic are always plain. */
export function valueSort(expr: FieldExpr): ValueSort {
  let node = expr;
  while (node.type === "unary" && node.op === "-") node = node.operand;
  const type =
    node.type === "field"
      ? typeOfField(node.field)
      : node.type === "static"
        ? node.value.type
        : undefined;
  return type === "duration" || type === "status" || type === "kind" ? type : "plain";
}

/**
 * The value of `expr` on a row of the stored form as one value of `ECHO_TYPE`, NULL for nil; equal
 * values of one type are equal there, whatever the segment. Numbers, codes and durations in ns are
 * `i`, an array of more than one element, or none, is `j`; one element is that element. Of a field
 * of events or links the first one that has it counts. It never fails at run time.
 *
 * `expr` must have passed the checker, `shape` must know all its fields, and where `expr` mentions
 * a parent's fields the rows must come through `withParents`. The text is `NULL` (of that type)
 * when no row of the segment has a value.
 */
export function valueToSql(expr: FieldExpr, shape: SegmentShape): Sql {
  const compiler = new ExprCompiler(shape);
  const value = compiler.value(foldedToDepth(expr));
  const { array, numbers } = value;
  if (numbers !== undefined) {
    return compiler.names.bind(
      numbers,
      (n) =>
        sql`CASE WHEN COALESCE(CAST(${n}.i AS DOUBLE), ${n}.d) IS NOT NULL
          THEN ${structOf({ i: sql`${n}.i`, d: sql`${n}.d` })} END`,
    );
  }
  const { scalars } = unwrapped(value, compiler.names);
  const integers = [scalars.int, scalars.duration, scalars.status, scalars.kind].filter(
    (part) => part !== undefined,
  );
  const parts: Partial<Record<string, Sql>> = {};
  if (scalars.string !== undefined) parts.s = scalars.string;
  if (integers.length > 0) parts.i = coalesced(integers);
  if (scalars.double !== undefined) parts.d = scalars.double;
  if (scalars.bool !== undefined) parts.b = scalars.bool;
  const tests = Object.values(parts).map((part) => sql`${part!} IS NOT NULL`);
  const scalar = structOf(parts);
  if (array === undefined) {
    if (tests.length === 0) return NULL_VALUE;
    return value.present ? scalar : sql`CASE WHEN ${joinSql(tests, " OR ")} THEN ${scalar} END`;
  }
  const whole = sql`WHEN ${array.any} THEN ${structOf({ j: array.json })}`;
  if (tests.length === 0) return sql`CASE ${whole} END`;
  return sql`CASE WHEN ${joinSql(tests, " OR ")} THEN ${scalar} ${whole} END`;
}

const NULL_VALUE = rawSql(`CAST(NULL AS ${ECHO_TYPE})`);

function coalesced(parts: readonly Sql[]): Sql {
  return parts.length === 1 ? parts[0]! : sql`COALESCE(${joinSql(parts, ", ")})`;
}

/** What `valueToSql` gave for `expr` (structs as objects, 64-bit integers as bigint); nil is a word. */
export function decodeValue(expr: FieldExpr, value: unknown): AnyValueLike {
  return decodeValueOfSort(valueSort(expr), value);
}

export function decodeValueOfSort(sort: ValueSort, value: unknown): AnyValueLike {
  const { s, i, d, b, j } = (value ?? {}) as { readonly [name: string]: unknown };
  if (typeof s === "string") return { stringValue: s };
  if (typeof i === "bigint" || typeof i === "number") return decodeInteger(sort, BigInt(i));
  if (typeof d === "number") return { doubleValue: d };
  if (typeof b === "boolean") return { boolValue: b };
  if (typeof j === "string") return decodeArray(j) ?? { arrayValue: { values: [] } };
  return NIL;
}

const NIL: AnyValueLike = { stringValue: "nil" };

function decodeInteger(sort: ValueSort, value: bigint): AnyValueLike {
  switch (sort) {
    case "plain":
      return { intValue: value.toString() };
    case "duration":
      return { stringValue: formatDuration(value) };
    case "status":
      return { stringValue: statusWord(Number(value)) };
    case "kind":
      return { stringValue: kindWord(Number(value)) };
    default:
      return sort satisfies never;
  }
}
