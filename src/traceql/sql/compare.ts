import type { CompareOp, RegexOp, Static } from "../ast.ts";
import { compileRegex, plainPattern } from "../regex.ts";
import { type Bool, FALSE, nullable, or } from "./bool.ts";
import { compareId } from "./id.ts";
import type { LambdaNames } from "./names.ts";
import { compareNumbers, isIntegral } from "./number-compare.ts";
import { joinSql, rawSql, type Sql, sql } from "./sql.ts";
import { listTypes, scalarTypes, unwrapped, type Value, type ValueType } from "./value.ts";

/** The operator with its sides exchanged. */
export const MIRRORED: Readonly<Record<CompareOp, CompareOp>> = {
  "=": "=",
  "!=": "!=",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
};

/**
 * `left op right`: true or false where both have a value, false or NULL elsewhere. Of an array, some
 * element must satisfy the comparison, or for `!=` every one.
 */
export function compareValues(op: CompareOp, left: Value, right: Value, names: LambdaNames): Bool {
  if (left.literal !== undefined && right.literal === undefined) {
    return compareValues(MIRRORED[op], right, left, names);
  }
  if (left.numbers !== undefined) {
    return nullable(
      names.bind(left.numbers, (v) => compareValues(op, numbersByName(v), right, names).sql),
    );
  }
  if (right.numbers !== undefined) {
    return nullable(
      names.bind(right.numbers, (v) => compareValues(op, left, numbersByName(v), names).sql),
    );
  }
  if (left.id !== undefined && right.literal?.type === "string" && (op === "=" || op === "!=")) {
    return compareId(op, left.id, right.literal.value, left.present);
  }
  if (right.literal === undefined && hasLists(left, right)) {
    // Every alternative meets every other: as long texts they would multiply.
    return byName(left, names, (a) => byName(right, names, (b) => comparePairs(op, a, b, names)));
  }
  return comparePairs(op, left, right, names);
}

function hasLists(left: Value, right: Value): boolean {
  const [a, b] = [listTypes(left).length, listTypes(right).length];
  return a + b > 0 && a + scalarTypes(left).length > 0 && b + scalarTypes(right).length > 0;
}

/** `test` of the value with its alternatives computed once, known by short names. */
function byName(value: Value, names: LambdaNames, test: (named: Value) => Bool): Bool {
  const name = names.next();
  const fields: Sql[] = [];
  const named = (parts: Value["scalars"]): Value["scalars"] =>
    Object.fromEntries(
      Object.entries(parts).map(([type, part]) => {
        const field = rawSql(`f${fields.length}`);
        fields.push(sql`'${field}': ${part}`);
        return [type, sql`${name}.${field}`];
      }),
    );
  const inner = test({ scalars: named(value.scalars), lists: named(value.lists), present: false });
  if (inner === FALSE) return FALSE;
  return nullable(names.bindAs(name, sql`{${joinSql(fields, ", ")}}`, inner.sql));
}

function comparePairs(op: CompareOp, left: Value, right: Value, names: LambdaNames): Bool {
  const parts: Bool[] = [];
  forPairs(scalarTypes(left), scalarTypes(right), (a, b) => {
    const test = compareScalars(op, a, left.scalars[a]!, b, right.scalars[b]!, right.literal);
    const total = left.present && right.present;
    if (test === FALSE) parts.push(FALSE);
    else if (test !== undefined) parts.push({ sql: test.sql, total });
  });
  parts.push(...compareLists(op, left.lists, right, names));
  parts.push(...compareLists(MIRRORED[op], right.lists, { ...left, lists: {} }, names));
  if (listTypes(left).length > 0 && listTypes(right).length > 0) {
    // Two arrays never compare, but an array of one element is that element.
    const leftOnes = { ...unwrapped({ ...left, scalars: {} }, names), present: false };
    const rightOnes = { ...unwrapped({ ...right, scalars: {} }, names), present: false };
    parts.push(...compareLists(op, left.lists, rightOnes, names));
    parts.push(...compareLists(MIRRORED[op], right.lists, leftOnes, names));
  }
  return or(parts);
}

function numbersByName(name: Sql): Value {
  return { scalars: { int: sql`${name}.i`, double: sql`${name}.d` }, lists: {}, present: false };
}

function forPairs(
  left: readonly ValueType[],
  right: readonly ValueType[],
  visit: (a: ValueType, b: ValueType) => void,
): void {
  for (const a of left) for (const b of right) visit(a, b);
}

/** Arrays against the scalars of `other`. */
function compareLists(
  op: CompareOp,
  lists: Value["lists"],
  other: Value,
  names: LambdaNames,
): Bool[] {
  const parts: Bool[] = [];
  forPairs(Object.keys(lists) as ValueType[], scalarTypes(other), (a, b) => {
    const list = lists[a]!;
    const value = other.scalars[b]!;
    const wanted = op === "!=" ? "=" : op;
    const some = (element: Sql) =>
      compareScalars(wanted, a, element, b, value, other.literal)?.sql ?? FALSE.sql;
    if (compareScalars(wanted, a, list, b, value, other.literal) === undefined) return;
    const found = names.some(list, some);
    const known = other.literal === undefined ? sql` AND ${value} IS NOT NULL` : rawSql("");
    parts.push(nullable(op === "!=" ? sql`(NOT ${found}${known})` : found));
  });
  return parts;
}

/** Undefined when the operator does not apply to these types; FALSE when it never holds. */
function compareScalars(
  op: CompareOp,
  aType: ValueType,
  a: Sql,
  bType: ValueType,
  b: Sql,
  literal: Static | undefined,
): Bool | undefined {
  const numeric = isNumber(aType) && isNumber(bType);
  if (numeric) {
    return compareNumbers(op, { type: aType, sql: a }, { type: bType, sql: b }, literal);
  }
  if (aType !== bType) return undefined;
  if (aType !== "string" && op !== "=" && op !== "!=") return undefined;
  return nullable(sql`(${a} ${COMPARE_SQL[op]} ${b})`);
}

function isNumber(type: ValueType): boolean {
  return type === "double" || isIntegral(type);
}

const COMPARE_SQL: Readonly<Record<CompareOp, Sql>> = {
  "=": rawSql("="),
  "!=": rawSql("<>"),
  "<": rawSql("<"),
  "<=": rawSql("<="),
  ">": rawSql(">"),
  ">=": rawSql(">="),
};

/** `value =~ pattern`, fully anchored; `!~` needs a string too. */
export function matchValue(op: RegexOp, value: Value, pattern: string, names: LambdaNames): Bool {
  const parts: Bool[] = [];
  const text = value.scalars.string;
  if (text !== undefined) {
    const test = matchSql(text, pattern);
    parts.push({ sql: op === "=~" ? test : sql`(NOT ${test})`, total: value.present });
  }
  const list = value.lists.string;
  if (list !== undefined) {
    const found = names.some(list, (element) => matchSql(element, pattern));
    parts.push(nullable(op === "=~" ? found : sql`(NOT ${found})`));
  }
  return or(parts);
}

/** NULL where `text` is. Plain patterns become comparisons, which cost a fraction. */
function matchSql(text: Sql, pattern: string): Sql {
  const plain = plainPattern(pattern);
  switch (plain?.type) {
    case "any":
      return sql`(${text} IS NOT NULL OR NULL)`;
    case "equals":
      return plain.values.length === 1
        ? sql`(${text} = ${plain.values[0]!})`
        : sql`list_contains(${stringList(plain.values)}, ${text})`;
    case "prefix":
      return sql`starts_with(${text}, ${plain.value})`;
    case "suffix":
      return sql`ends_with(${text}, ${plain.value})`;
    case "contains":
      return sql`contains(${text}, ${plain.value})`;
    // LIKE with ESCAPE costs half as much, but is not linear; without, more than RE2 where values are few.
    case "pieces":
    case undefined:
      return sql`regexp_full_match(${text}, ${compileRegex(pattern)}, 's')`;
    default:
      return plain satisfies never;
  }
}

function stringList(values: readonly string[]): Sql {
  return sql`[${joinSql(
    values.map((value) => sql`${value}`),
    ", ",
  )}]`;
}
