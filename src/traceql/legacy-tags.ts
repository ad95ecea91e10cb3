import { PintailError } from "../errors.ts";
import type { AttributeScope, FieldExpr, FieldRef, IntrinsicName, StatusWord } from "./ast.ts";
import { FALSE_EXPR, TRUE_EXPR } from "./ast.ts";
import { INT64_MAX, INT64_MIN, STATUS_CODES } from "./words.ts";

/** More than any client sends; each key costs the query a condition. */
const MAX_TAGS = 100;

/**
 * The `tags` parameter of the search before TraceQL, in logfmt: `key=value key="quoted value" key`.
 * A key alone has an empty value. Throws kind `invalid` for bad syntax and for a key given twice.
 */
export function parseTagsParameter(text: string): Record<string, string> {
  const tags = Object.create(null) as Record<string, string>;
  let count = 0;
  let at = 0;
  for (;;) {
    while (at < text.length && isBlank(text[at]!)) at++;
    if (at >= text.length) return tags;
    const keyStart = at;
    while (at < text.length && !isBlank(text[at]!) && text[at] !== "=" && text[at] !== '"') at++;
    const key = text.slice(keyStart, at);
    if (key === "" || text[at] === '"') throw syntaxError(`unexpected ${quoted(text[at])}`, at);
    let value = "";
    if (text[at] === "=") {
      at++;
      if (text[at] === '"') {
        ({ value, at } = quotedValue(text, at));
      } else {
        const start = at;
        while (at < text.length && !isBlank(text[at]!)) {
          if (text[at] === "=" || text[at] === '"') {
            throw syntaxError(`unexpected ${quoted(text[at])}`, at);
          }
          at++;
        }
        value = text.slice(start, at);
      }
    }
    if (key in tags) {
      throw new PintailError("invalid", `invalid tags: tag ${key} has been set twice`);
    }
    if (++count > MAX_TAGS) {
      throw new PintailError("invalid", `invalid tags: more than ${MAX_TAGS} tags`);
    }
    tags[key] = value;
  }
}

function quotedValue(text: string, quote: number): { value: string; at: number } {
  let end = quote + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
  if (end >= text.length) throw syntaxError("unterminated quoted value", text.length);
  const after = text[end + 1];
  if (after !== undefined && !isBlank(after)) {
    throw syntaxError(`unexpected ${quoted(after)}`, end + 1);
  }
  try {
    const value: unknown = JSON.parse(text.slice(quote, end + 1));
    if (typeof value === "string") return { value, at: end + 1 };
  } catch {
    // Not a JSON string: reported below.
  }
  throw syntaxError("invalid quoted value", quote);
}

function isBlank(c: string): boolean {
  return c <= " ";
}

function quoted(c: string | undefined): string {
  return c === undefined ? "end of text" : JSON.stringify(c);
}

/** Positions count from 1. */
function syntaxError(problem: string, at: number): PintailError {
  return new PintailError("invalid", `invalid tags: ${problem} at pos ${at + 1}`);
}

/** One filter for each tag of the `tags` parameter. Throws as `parseTagsParameter` does. */
export function parseLegacyTags(text: string): FieldExpr[] {
  return Object.entries(parseTagsParameter(text)).map(([key, value]) => tagToExpr(key, value));
}

/**
 * Tags of the search before TraceQL as a filter: well-known keys hold the value as a substring,
 * others equal it, on the span or on its resource. Durations limit the trace's, inclusive.
 */
export function tagsToExpr(
  tags: Readonly<Record<string, string>>,
  minDurationNanos?: bigint,
  maxDurationNanos?: bigint,
): FieldExpr {
  const conditions = Object.entries(tags).map(([key, value]) => tagToExpr(key, value));
  if (minDurationNanos !== undefined) conditions.push(traceDuration(">=", minDurationNanos));
  if (maxDurationNanos !== undefined) conditions.push(traceDuration("<=", maxDurationNanos));
  if (conditions.length === 0) return TRUE_EXPR;
  return conditions.reduce((left, right) => ({ type: "binary", op: "&&", left, right }));
}

const INTRINSIC_TAGS: ReadonlyMap<string, IntrinsicName> = new Map<string, IntrinsicName>([
  ["name", "name"],
  ["root.name", "rootName"],
  ["root.service.name", "rootServiceName"],
]);

const SUBSTRING_TAGS: ReadonlySet<string> = new Set(["service.name", "cluster", "http.method"]);

function tagToExpr(key: string, value: string): FieldExpr {
  const intrinsic = INTRINSIC_TAGS.get(key);
  if (intrinsic !== undefined) return contains({ type: "intrinsic", name: intrinsic }, value);
  if (key === "status.code") return statusIs(value);
  if (key === "http.status_code") {
    const code = /^-?[0-9]{1,19}$/.test(value) ? BigInt(value) : undefined;
    if (code === undefined || code > INT64_MAX || code < INT64_MIN) return FALSE_EXPR;
    return eitherScope(key, (field) => compare(field, "=", { type: "int", value: code }));
  }
  if (SUBSTRING_TAGS.has(key)) return eitherScope(key, (field) => contains(field, value));
  return eitherScope(key, (field) => compare(field, "=", { type: "string", value }));
}

function statusIs(word: string): FieldExpr {
  if (!Object.hasOwn(STATUS_CODES, word)) return FALSE_EXPR;
  const value = { type: "status", value: word as StatusWord } as const;
  return compare({ type: "intrinsic", name: "status" }, "=", value);
}

function eitherScope(key: string, test: (field: FieldRef) => FieldExpr): FieldExpr {
  const of = (scope: AttributeScope) => test({ type: "attribute", scope, key });
  return { type: "binary", op: "||", left: of("span"), right: of("resource") };
}

function contains(field: FieldRef, value: string): FieldExpr {
  const pattern = value === "" ? ".*" : `.*${value.replace(/[!-/:-@[-`{-~]/g, "\\$&")}.*`;
  return compare(field, "=~", { type: "string", value: pattern });
}

function traceDuration(op: ">=" | "<=", value: bigint): FieldExpr {
  return compare({ type: "intrinsic", name: "traceDuration" }, op, { type: "duration", value });
}

function compare(
  field: FieldRef,
  op: "=" | "=~" | ">=" | "<=",
  value: (FieldExpr & { type: "static" })["value"],
): FieldExpr {
  return {
    type: "binary",
    op,
    left: { type: "field", field },
    right: { type: "static", value },
  };
}
