import type { Bool } from "./bool.ts";
import { FALSE, nullable, total } from "./bool.ts";
import { type Sql, sql } from "./sql.ts";
import type { IdSort, Value } from "./value.ts";

const DIGITS = { trace: 32, span: 16 } as const;

/**
 * An id against a literal, which is read as a hexadecimal number: letter case and leading zeros do
 * not matter. What is no such number, or too long, equals no id.
 */
export function compareId(
  op: "=" | "!=",
  id: NonNullable<Value["id"]>,
  literal: string,
  present: boolean,
): Bool {
  const hex = idHex(id.sort, literal);
  if (hex === undefined) {
    if (op === "=") return FALSE;
    return present ? total(sql`TRUE`) : nullable(sql`(${id.raw} IS NOT NULL)`);
  }
  const number = BigInt(`0x${hex}`);
  const value = id.sort === "trace" ? sql`${{ uuid: hex }}` : sql`CAST(${number} AS UBIGINT)`;
  if (id.nullIsZero && number === 0n) {
    // A parent that is absent rests as NULL, the id of a link that has none as 0.
    const isZero = sql`(${id.raw} IS NULL OR ${id.raw} = ${value})`;
    return total(op === "=" ? isZero : sql`(NOT ${isZero})`);
  }
  if (op === "=") {
    const test = sql`(${id.raw} = ${value})`;
    return present && !id.nullIsZero ? total(test) : nullable(test);
  }
  return id.nullIsZero
    ? total(sql`(${id.raw} IS DISTINCT FROM ${value})`)
    : { sql: sql`(${id.raw} <> ${value})`, total: present };
}

/** All digits of the id that a literal names, lower case; undefined for one that is no id's. */
export function idHex(sort: IdSort, literal: string): string | undefined {
  const hex = literal.toLowerCase().replace(/^0+(?=.)/, "");
  if (!/^[0-9a-f]+$/.test(hex) || hex.length > DIGITS[sort]) return undefined;
  return hex.padStart(DIGITS[sort], "0");
}

/** Hexadecimal text of a UUID without leading zeros. */
export function traceIdText(id: Sql): Sql {
  return sql`ltrim(replace(CAST(${id} AS VARCHAR), '-', ''), '0')`;
}

/** Sixteen hexadecimal digits of a UBIGINT, NULL being zero. */
export function spanIdText(id: Sql): Sql {
  return sql`format('{:016x}', COALESCE(${id}, CAST(0 AS UBIGINT)))`;
}
