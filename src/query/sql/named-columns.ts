import { takesWholeRows } from "./attribute-lookups.ts";
import { sqlTokens } from "./sql-lexer.ts";

/** A count of rows names no column, and a view must have one: the cheapest. */
const ALWAYS = "trace_start";

/**
 * Which of the view's columns a statement may read, so that the others are not fetched from a bucket:
 * those that it names, wherever and whatever for; all, when it may take columns without naming them.
 */
export function namedColumns(sql: string): (column: string) => boolean {
  const tokens = sqlTokens(sql);
  if (tokens === undefined || takesWholeRows(tokens)) return () => true;
  const names = new Set<string>([ALWAYS]);
  for (const [i, { type, value }] of tokens.entries()) {
    if (type === "word" || type === "quoted") names.add(value.toLowerCase());
    const counts = tokens[i - 1]?.value === "(" && tokens[i - 2]?.value === "count";
    if (type === "symbol" && value === "*" && !counts) return () => true;
  }
  return (column) => names.has(column.toLowerCase());
}
