import { quoteIdentifier, quoteLiteral } from "../../traceql/sql/sql.ts";
import { type SqlToken, sqlTokens } from "./sql-lexer.ts";

/** The maps of the view `spans`. */
export const ATTRIBUTE_MAPS = [
  "span_attributes",
  "resource_attributes",
  "scope_attributes",
] as const;
export type AttributeMap = (typeof ATTRIBUTE_MAPS)[number];

/** `map['key']` in a statement. */
export type AttributeLookup = { readonly map: AttributeMap; readonly key: string };

export type LookupPlan = {
  /** Distinct; the view must have a column for each, see `lookupColumn`. */
  readonly lookups: readonly AttributeLookup[];
  /** The statement reading those columns. Equal to the original whenever it binds. */
  readonly sql: string;
};

/** Each becomes an expression in every branch of the view. */
const MAX_LOOKUPS = 32;

/** The name DuckDB itself gives a result column of the lookup, so results are named alike. */
export function lookupColumn({ map, key }: AttributeLookup): string {
  return `${map}[${quoteLiteral(key)}]`;
}

/**
 * Replaces `span_attributes['k']` by a column that the view computes from the homes of that key
 * alone: DuckDB would build the whole map of every row for it, which costs 80 times as much.
 *
 * The additional columns must not be seen otherwise, so a statement that names a map outside a
 * lookup, or uses a form that takes all columns of a relation at once, is left alone (`undefined`):
 * it is slower and right. A plain `*` is rewritten to leave them out.
 */
export function planLookups(sql: string): LookupPlan | undefined {
  const tokens = sqlTokens(sql);
  if (tokens === undefined || takesWholeRows(tokens)) return undefined;
  const lookups = new Map<string, AttributeLookup>();
  const edits: { start: number; end: number; text: string }[] = [];
  for (const [i, token] of tokens.entries()) {
    if (token.type === "symbol" && token.value === "*") {
      const use = starUse(tokens, i);
      if (use === "other") return undefined;
      if (use === "all columns") edits.push({ ...token, text: VISIBLE_COLUMNS });
    }
    const map = mapNamed(token);
    if (map === undefined) continue;
    const [open, key, close] = tokens.slice(i + 1, i + 4);
    if (open?.value !== "[" || key?.type !== "string" || close?.value !== "]") return undefined;
    if (open.type !== "symbol" || close.type !== "symbol") return undefined;
    const column = lookupColumn({ map, key: key.value });
    lookups.set(column, { map, key: key.value });
    edits.push({ start: token.start, end: close.end, text: quoteIdentifier(column).text });
  }
  if (lookups.size === 0 || lookups.size > MAX_LOOKUPS) return undefined;
  let rewritten = "";
  let at = 0;
  for (const { start, end, text } of edits) {
    rewritten += sql.slice(at, start) + text;
    at = end;
  }
  return { lookups: [...lookups.values()], sql: rewritten + sql.slice(at) };
}

const VISIBLE_COLUMNS = `COLUMNS(lambda c: ${ATTRIBUTE_MAPS.map(
  (map) => `NOT starts_with(c, '${map}[')`,
).join(" AND ")})`;

function mapNamed(token: SqlToken): AttributeMap | undefined {
  if (token.type !== "word" && token.type !== "quoted") return undefined;
  return ATTRIBUTE_MAPS.find((map) => map === token.value.toLowerCase());
}

const BEFORE_ALL_COLUMNS = new Set(["select", "distinct", "all", ","]);
const AFTER_ALL_COLUMNS = new Set(["from", ",", ")", "where", "union", "order", "limit", ";"]);

function starUse(tokens: readonly SqlToken[], i: number): "product" | "all columns" | "other" {
  const before = tokens[i - 1];
  const after = tokens[i + 1];
  if (before === undefined) return "other";
  if (before.value === "(") {
    return tokens[i - 2]?.value === "count" && after?.value === ")" ? "product" : "other";
  }
  if (before.type !== "string" && before.type !== "quoted") {
    if (BEFORE_ALL_COLUMNS.has(before.value)) {
      return after === undefined || AFTER_ALL_COLUMNS.has(after.value) ? "all columns" : "other";
    }
    if (before.type === "symbol" && before.value !== ")" && before.value !== "]") return "other";
  }
  return "product";
}

const WHOLE_ROW_WORDS = new Set([
  ...["describe", "summarize", "show", "table", "pivot", "unpivot", "natural", "columns"],
  ...["pivot_wider", "pivot_longer", "lateral", "asof", "positional", "query", "query_table"],
]);

export function takesWholeRows(tokens: readonly SqlToken[]): boolean {
  return (
    tokens.some((token) => token.type === "word" && WHOLE_ROW_WORDS.has(token.value)) ||
    hasDistinctOn(tokens) ||
    selectsImplicitly(tokens) ||
    namesRelationAsValue(tokens)
  );
}

/** After `DISTINCT ON (…)` a star looks like a product. */
function hasDistinctOn(tokens: readonly SqlToken[]): boolean {
  return tokens.some((token, i) => token.value === "distinct" && tokens[i + 1]?.value === "on");
}

/** `FROM spans` without SELECT takes all columns. */
function selectsImplicitly(tokens: readonly SqlToken[]): boolean {
  const pending: number[] = [0];
  for (const [i, token] of tokens.entries()) {
    if (token.type === "symbol") {
      if (token.value === "(") pending.push(0);
      if (token.value === ")" && pending.pop() === undefined) return true;
      if (pending.length === 0) return true;
    }
    if (token.type !== "word") continue;
    const depth = pending.length - 1;
    if (token.value === "select") pending[depth]!++;
    if (token.value === "from" && tokens[i - 1]?.value !== "distinct") {
      if (pending[depth] === 0) return true;
      pending[depth]!--;
    }
  }
  return false;
}

const NO_ALIAS = new Set([
  ...["where", "group", "order", "limit", "having", "join", "inner", "left", "right", "full"],
  ...["cross", "semi", "anti", "on", "using", "union", "intersect", "except", "qualify", "window"],
  ...["offset", "tablesample"],
]);

/** `SELECT s FROM spans s` and `to_json(spans)` read a row as one value. */
function namesRelationAsValue(tokens: readonly SqlToken[]): boolean {
  const isName = (token: SqlToken | undefined): token is SqlToken =>
    token?.type === "word" || token?.type === "quoted";
  const names = new Set(["spans"]);
  const definitions = new Set<number>();
  for (const [i, token] of tokens.entries()) {
    if (!isName(token) || token.value.toLowerCase() !== "spans") continue;
    const before = tokens[i - 1];
    if (before?.type !== "word" || !["from", "join"].includes(before.value)) continue;
    definitions.add(i);
    const at = tokens[i + 1]?.value === "as" ? i + 2 : i + 1;
    const alias = tokens[at];
    if (!isName(alias) || (alias.type === "word" && NO_ALIAS.has(alias.value))) continue;
    names.add(alias.value.toLowerCase());
    definitions.add(at);
  }
  return tokens.some(
    (token, i) =>
      isName(token) &&
      names.has(token.value.toLowerCase()) &&
      !definitions.has(i) &&
      tokens[i + 1]?.value !== ".",
  );
}
