import { joinSql, rawSql, type Sql, sql } from "./sql.ts";

/**
 * A boolean condition. In a filter NULL counts as false; `total` says that it is never NULL, so it
 * can be negated as it stands.
 */
export type Bool = { readonly sql: Sql; readonly total: boolean };

export const TRUE: Bool = { sql: rawSql("TRUE"), total: true };
export const FALSE: Bool = { sql: rawSql("FALSE"), total: true };

export function total(text: Sql): Bool {
  return { sql: text, total: true };
}

export function nullable(text: Sql): Bool {
  return { sql: text, total: false };
}

export function and(parts: readonly Bool[]): Bool {
  const needed = parts.filter((part) => part !== TRUE);
  if (needed.includes(FALSE)) return FALSE;
  return combine(needed, " AND ", TRUE);
}

export function or(parts: readonly Bool[]): Bool {
  const needed = parts.filter((part) => part !== FALSE);
  if (needed.includes(TRUE)) return TRUE;
  return combine(needed, " OR ", FALSE);
}

function combine(parts: readonly Bool[], separator: string, empty: Bool): Bool {
  if (parts.length === 0) return empty;
  if (parts.length === 1) return parts[0]!;
  return {
    sql: rawSql(
      `(${
        joinSql(
          parts.map((part) => part.sql),
          separator,
        ).text
      })`,
    ),
    total: parts.every((part) => part.total),
  };
}

/** Logical negation, where NULL counts as false: the result is never NULL. */
export function not(part: Bool): Bool {
  if (part === TRUE) return FALSE;
  if (part === FALSE) return TRUE;
  return total(sql`(NOT ${neverNull(part)})`);
}

export function neverNull(part: Bool): Sql {
  return part.total ? part.sql : sql`COALESCE(${part.sql}, FALSE)`;
}
