import type { ArithmeticOp } from "../ast.ts";
import type { LambdaNames } from "./names.ts";
import { rawSql, type Sql, sql } from "./sql.ts";
import { ABSENT, scalar, unwrapped, type Value, type ValueType } from "./value.ts";

const NUMERIC: readonly ValueType[] = ["int", "duration", "double"];

/**
 * `left op right` on every numeric alternative: int64 wraps, any other mix is computed as double,
 * a division of ints by zero is nil. Nothing here can fail at run time.
 */
export function arithmetic(op: ArithmeticOp, left: Value, right: Value, names: LambdaNames): Value {
  const a = unwrapped(left, names);
  const b = unwrapped(right, names);
  const aTypes = numericTypes(a);
  const bTypes = numericTypes(b);
  const dynamic = a.numbers !== undefined || b.numbers !== undefined;
  if (!dynamic && aTypes.length === 1 && bTypes.length === 1) {
    const [x, y] = [a.scalars[aTypes[0]!]!, b.scalars[bTypes[0]!]!];
    if (aTypes[0] === "int" && bTypes[0] === "int") {
      return scalar("int", intOperation(op, x, y, names), false);
    }
    const result = doubleOperation(op, asDouble(aTypes[0]!, x), asDouble(bTypes[0]!, y));
    return scalar("double", result, false);
  }
  const l = asNumbers(a);
  const r = asNumbers(b);
  if (l === undefined || r === undefined) return ABSENT;
  const numbers = names.bind(sql`{'l': ${l}, 'r': ${r}}`, (v) => {
    const int = intOperation(op, sql`${v}.l.i`, sql`${v}.r.i`, names);
    const x = sql`COALESCE(${v}.l.d, CAST(${v}.l.i AS DOUBLE))`;
    const y = sql`COALESCE(${v}.r.d, CAST(${v}.r.i AS DOUBLE))`;
    const mixed = sql`${v}.l.d IS NOT NULL OR ${v}.r.d IS NOT NULL`;
    return sql`{'i': ${int}, 'd': CASE WHEN ${mixed} THEN ${doubleOperation(op, x, y)} END}`;
  });
  return { scalars: {}, lists: {}, numbers, present: false };
}

/** Unary minus; keeps each alternative's type. */
export function negative(value: Value, names: LambdaNames): Value {
  if (value.numbers !== undefined) {
    const numbers = names.bind(
      value.numbers,
      (v) => sql`{'i': ${wrapped(sql`0 - CAST(${v}.i AS HUGEINT)`)}, 'd': -${v}.d}`,
    );
    return { scalars: {}, lists: {}, numbers, present: false };
  }
  const plain = unwrapped(value, names);
  const scalars: Partial<Record<ValueType, Sql>> = {};
  for (const type of numericTypes(plain)) {
    const x = plain.scalars[type]!;
    scalars[type] = type === "double" ? sql`(-${x})` : wrapped(sql`0 - CAST(${x} AS HUGEINT)`);
  }
  return { scalars, lists: {}, present: false };
}

function numericTypes(value: Value): ValueType[] {
  return NUMERIC.filter((type) => value.scalars[type] !== undefined);
}

function asDouble(type: ValueType, text: Sql): Sql {
  return type === "double" ? text : sql`CAST(${text} AS DOUBLE)`;
}

/** STRUCT(i BIGINT, d DOUBLE); durations are doubles to arithmetic. */
function asNumbers(value: Value): Sql | undefined {
  if (value.numbers !== undefined) return value.numbers;
  const { int, double, duration } = value.scalars;
  if (int === undefined && double === undefined && duration === undefined) return undefined;
  const i = int === undefined ? sql`CAST(NULL AS BIGINT)` : sql`CAST(${int} AS BIGINT)`;
  const doubles: Sql[] = [];
  if (double !== undefined) doubles.push(double);
  if (duration !== undefined) doubles.push(sql`CAST(${duration} AS DOUBLE)`);
  const d =
    doubles.length === 2
      ? sql`COALESCE(${doubles[0]!}, ${doubles[1]!})`
      : (doubles[0] ?? sql`CAST(NULL AS DOUBLE)`);
  return sql`{'i': ${i}, 'd': ${d}}`;
}

/** Operands are used once each, so that text grows with the expression and not beyond. */
function intOperation(op: ArithmeticOp, a: Sql, b: Sql, names: LambdaNames): Sql {
  if (op === "^") {
    return names.bind(
      sql`pow(CAST(${a} AS DOUBLE), CAST(${b} AS DOUBLE))`,
      (p) => sql`CASE WHEN ${p} >= ${2 ** 63} THEN ${2n ** 63n - 1n}
        WHEN ${p} <= ${-(2 ** 63)} THEN ${-(2n ** 63n)}
        ELSE TRY_CAST(trunc(${p}) AS BIGINT) END`,
    );
  }
  const x = sql`CAST(${a} AS HUGEINT)`;
  const y = sql`CAST(${b} AS HUGEINT)`;
  return wrapped(sql`${x} ${OPERATORS[op === "/" ? "//" : op]} ${y}`);
}

/** In HUGEINT, where 64-bit operands cannot overflow, cut to the low 64 bits as int64. */
function wrapped(huge: Sql): Sql {
  return sql`CAST(xor((${huge}) & ${LOW_64_BITS}, ${BIT_63}) - ${BIT_63} AS BIGINT)`;
}

const LOW_64_BITS = rawSql("CAST(18446744073709551615 AS HUGEINT)");
const BIT_63 = rawSql("CAST(9223372036854775808 AS HUGEINT)");

function doubleOperation(op: ArithmeticOp, a: Sql, b: Sql): Sql {
  return op === "^" ? sql`pow(${a}, ${b})` : sql`(${a} ${OPERATORS[op]} ${b})`;
}

const OPERATORS = {
  "+": rawSql("+"),
  "-": rawSql("-"),
  "*": rawSql("*"),
  "/": rawSql("/"),
  "//": rawSql("//"),
  "%": rawSql("%"),
};
