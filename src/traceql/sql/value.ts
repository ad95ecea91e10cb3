import type { Static } from "../ast.ts";
import { KIND_CODES, STATUS_CODES } from "../words.ts";
import type { LambdaNames } from "./names.ts";
import { joinSql, type Sql, sql } from "./sql.ts";

/**
 * Run-time types of a value. Durations and ints are BIGINT; kinds and statuses INTEGER codes, which
 * never compare with numbers.
 */
export type ValueType = "string" | "int" | "double" | "duration" | "bool" | "status" | "kind";

export type IdSort = "trace" | "span";

/**
 * An expression's value as alternatives by type: on any row at most one of them is not NULL.
 * `scalars` and `lists` are cheap to repeat in SQL text (columns, map lookups, literals), except
 * those of `numbers`.
 */
export type Value = {
  readonly scalars: Partial<Readonly<Record<ValueType, Sql>>>;
  /** Homogeneous arrays with at least one element. One element counts as the element itself. */
  readonly lists: Partial<Readonly<Record<ValueType, Sql>>>;
  /**
   * Computed numbers of which only run time knows whether they are int or double: one
   * STRUCT(i BIGINT, d DOUBLE), at most one of them not NULL. Then there are no scalars.
   */
  readonly numbers?: Sql;
  /**
   * Short tests, never NULL, that stand for all of `lists`: an array with elements is there, or any
   * array at all. An empty one is neither present nor nil. `json` is its OTLP/JSON text where `any`.
   */
  readonly array?: { readonly nonEmpty: Sql; readonly any: Sql; readonly json: Sql };
  /** The scalar is never NULL. */
  readonly present: boolean;
  /** The string is the text of an id; `raw` is the stored form: UUID, or a UBIGINT or NULL for 0. */
  readonly id?: { readonly sort: IdSort; readonly raw: Sql; readonly nullIsZero: boolean };
  /** Set for a literal. */
  readonly literal?: Static;
};

export const ABSENT: Value = { scalars: {}, lists: {}, present: false };

export function scalar(type: ValueType, text: Sql, present: boolean): Value {
  return { scalars: { [type]: text }, lists: {}, present };
}

export function literalValue(value: Static): Value {
  const type = value.type === "float" ? "double" : value.type;
  return { ...scalar(type, literalSql(value), true), literal: value };
}

export function literalSql(value: Static): Sql {
  switch (value.type) {
    case "status":
      return sql`${BigInt(STATUS_CODES[value.value])}`;
    case "kind":
      return sql`${BigInt(KIND_CODES[value.value])}`;
    default:
      return sql`${value.value}`;
  }
}

export function scalarTypes(value: Value): ValueType[] {
  return Object.keys(value.scalars) as ValueType[];
}

export function listTypes(value: Value): ValueType[] {
  return Object.keys(value.lists) as ValueType[];
}

/** The value with every one-element array as its element, other arrays gone. */
export function unwrapped(value: Value, names: LambdaNames): Value {
  const types = listTypes(value);
  if (types.length === 0) return value;
  const scalars: Partial<Record<ValueType, Sql>> = { ...value.scalars };
  for (const type of types) {
    const element = names.bind(
      value.lists[type]!,
      (list) => sql`CASE WHEN len(${list}) = 1 THEN ${list}[1] END`,
    );
    const known = scalars[type];
    scalars[type] = known === undefined ? element : sql`COALESCE(${known}, ${element})`;
  }
  return { scalars, lists: {}, present: false };
}

/** True where the value is neither nil nor an empty array; never NULL. Undefined: it never is. */
export function presence(value: Value): Sql | undefined {
  return anyOf(value, value.array?.nonEmpty);
}

/** As `presence`, but an empty array counts too. */
export function occupied(value: Value): Sql | undefined {
  return anyOf(value, value.array?.any);
}

function anyOf(value: Value, array: Sql | undefined): Sql | undefined {
  const tests = Object.values(value.scalars).map((part) => sql`${part} IS NOT NULL`);
  if (value.numbers !== undefined) {
    const { numbers } = value;
    tests.push(sql`COALESCE(CAST((${numbers}).i AS DOUBLE), (${numbers}).d) IS NOT NULL`);
  }
  if (array !== undefined) tests.push(array);
  return tests.length === 0 ? undefined : sql`(${joinSql(tests, " OR ")})`;
}
