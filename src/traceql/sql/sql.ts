import { TraceQLError } from "../traceql-error.ts";

/**
 * SQL text. The only ways to make one are the `sql` tag, which quotes every value put into it,
 * `quoteIdentifier` for names of columns, and `rawSql` for text that this folder spells out itself.
 */
export type Sql = { readonly text: string; readonly [SQL]: true };

const SQL: unique symbol = Symbol("sql");

/** A value to be quoted. A plain number is a DOUBLE, a bigint an integer. */
export type SqlLiteral = string | number | bigint | boolean | Uint8Array | UuidLiteral;
/** 32 hexadecimal digits. */
export type UuidLiteral = { readonly uuid: string };

/** `` sql`${column} = ${value}` ``: SQL is spliced, any other value becomes a literal. */
export function sql(strings: TemplateStringsArray, ...values: readonly (Sql | SqlLiteral)[]): Sql {
  let text = strings[0]!;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    text += isSql(value) ? value.text : quoteLiteral(value);
    text += strings[i + 1]!;
  }
  return rawSql(text);
}

function isSql(value: Sql | SqlLiteral): value is Sql {
  return typeof value === "object" && SQL in value;
}

/**
 * More text than this takes the database seconds to parse and plan. A query gets there with hundreds
 * of unscoped attributes that are arrays in some places.
 */
export const MAX_SQL_LENGTH = 1 << 20;

/** Never give it text that came from a query or from data. Throws `TraceQLError` beyond the bound. */
export function rawSql(text: string): Sql {
  checkSqlLength(text.length);
  return { text, [SQL]: true };
}

/** For text that is put together elsewhere. Throws `TraceQLError` beyond the bound. */
export function checkSqlLength(length: number): void {
  if (length <= MAX_SQL_LENGTH) return;
  throw new TraceQLError("query too large, it has too many conditions for the data it asks about");
}

export function joinSql(parts: readonly Sql[], separator: string): Sql {
  return rawSql(parts.map((part) => part.text).join(separator));
}

/** A double-quoted name. Throws for a NUL, which no SQL text can hold. */
export function quoteIdentifier(name: string): Sql {
  if (name.includes("\0")) throw new Error("a column name holds a NUL");
  return rawSql(`"${name.toWellFormed().replaceAll('"', '""')}"`);
}

/** The one function that turns a value into SQL text. */
export function quoteLiteral(value: SqlLiteral): string {
  switch (typeof value) {
    case "string":
      return quoteString(value);
    case "number":
      return quoteNumber(value);
    case "bigint":
      return quoteInteger(value);
    case "boolean":
      return value ? "TRUE" : "FALSE";
    default:
      return value instanceof Uint8Array ? quoteBytes(value) : quoteUuid(value.uuid);
  }
}

/** SQL text ends at a NUL, so that character is put in by `chr(0)`. Lone surrogates become U+FFFD. */
function quoteString(value: string): string {
  const parts = value
    .toWellFormed()
    .split("\0")
    .map((part) => `'${part.replaceAll("'", "''")}'`);
  return parts.length === 1 ? parts[0]! : `(${parts.join("||chr(0)||")})`;
}

/** In exponent form: DuckDB reads `0.1` as a DECIMAL. */
function quoteNumber(value: number): string {
  if (Number.isNaN(value)) return "CAST('nan' AS DOUBLE)";
  if (!Number.isFinite(value)) return `CAST('${value > 0 ? "" : "-"}inf' AS DOUBLE)`;
  if (Object.is(value, -0)) return "CAST('-0' AS DOUBLE)";
  const text = value.toExponential();
  return value < 0 ? `(${text})` : text;
}

/** Negative numbers in parentheses: two minus signs begin a comment. */
function quoteInteger(value: bigint): string {
  if (value >= 0n) return value.toString();
  return value === -(2n ** 63n) ? `CAST('${value}' AS BIGINT)` : `(${value})`;
}

function quoteBytes(value: Uint8Array): string {
  let text = "";
  for (const byte of value) text += `\\x${byte.toString(16).padStart(2, "0").toUpperCase()}`;
  return `CAST('${text}' AS BLOB)`;
}

function quoteUuid(hex: string): string {
  if (!/^[0-9a-f]{32}$/i.test(hex)) throw new Error("a UUID literal needs 32 hexadecimal digits");
  return `CAST('${hex.toLowerCase()}' AS UUID)`;
}
