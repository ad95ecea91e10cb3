import type { FieldRef } from "./ast.ts";
import { parseDuration } from "./duration.ts";
import { lexString } from "./lex-string.ts";
import { positionAt, TraceQLError } from "./traceql-error.ts";
import { ATTRIBUTE_SCOPES, INT64_MAX, INTRINSIC_SCOPES } from "./words.ts";

/** `start` and `end` are offsets into the text, in UTF-16 units. */
export type Token = { readonly start: number; readonly end: number } & (
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "duration"; readonly value: bigint }
  /** Scope, dot and name of an attribute are one token. */
  | { readonly type: "attribute"; readonly field: FieldRef }
  /** `span:` and the like; the intrinsic's word follows as an own token. */
  | { readonly type: "intrinsic-scope"; readonly text: string }
  | { readonly type: "word"; readonly text: string }
  | { readonly type: "op"; readonly text: string }
  | { readonly type: "end" }
);

/** The tokens of `text`, closed by an `end` token. Throws `TraceQLError` at the first bad one. */
export function tokenize(text: string): Token[] {
  const { tokens, error } = tokenizeUntilError(text);
  if (error !== undefined) throw error;
  return tokens;
}

/** As `tokenize`, but keeps the tokens before the first error. */
export function tokenizeUntilError(text: string): {
  tokens: Token[];
  error: TraceQLError | undefined;
} {
  const tokens: Token[] = [];
  let at = 0;
  let error: TraceQLError | undefined;
  try {
    for (;;) {
      at = skipBlank(text, at);
      if (at >= text.length) break;
      const token = nextToken(text, at);
      tokens.push(token);
      at = token.end;
    }
  } catch (e) {
    if (!(e instanceof TraceQLError)) throw e;
    error = e;
    at = text.length;
  }
  tokens.push({ type: "end", start: at, end: at });
  return { tokens, error };
}

/** White space and comments. A comment that is not closed is an error. */
function skipBlank(text: string, from: number): number {
  let at = from;
  for (;;) {
    const c = text[at];
    if (c === " " || c === "\t" || c === "\r" || c === "\n") {
      at++;
    } else if (c === "/" && text[at + 1] === "/") {
      const end = text.indexOf("\n", at);
      at = end === -1 ? text.length : end + 1;
    } else if (c === "/" && text[at + 1] === "*") {
      const end = text.indexOf("*/", at + 2);
      if (end === -1) throw new TraceQLError("comment not terminated", positionAt(text, at));
      at = end + 2;
    } else {
      return at;
    }
  }
}

function nextToken(text: string, start: number): Token {
  const c = text[start]!;
  if (c === '"' || c === "`") return lexString(text, start);
  if (isDigit(c) || (c === "." && isDigit(text[start + 1]))) return lexNumber(text, start);
  if (c === ".") return lexAttribute(text, start, start + 1, (key) => attribute("any", key));
  const word = /[\p{L}_][\p{L}\p{Nd}_]*/uy;
  word.lastIndex = start;
  const match = word.exec(text);
  if (match !== null) return lexWord(text, start, match[0]);
  const op = lexOperator(text, start);
  if (op !== undefined) return { type: "op", text: op, start, end: start + op.length };
  throw new TraceQLError(unexpectedCharacter(text, start), positionAt(text, start));
}

function unexpectedCharacter(text: string, at: number): string {
  const c = String.fromCodePoint(text.codePointAt(at)!);
  if (c === "'") return "syntax error: unexpected ', strings stand in double quotes or backticks";
  if (c === "&") return "syntax error: unexpected &, did you mean &&?";
  return `syntax error: unexpected ${JSON.stringify(c)}`;
}

const OPERATORS: ReadonlySet<string> = new Set(
  (
    "{ } ( ) , | || && ! = != =~ !~ < <= > >= << >> + - * / % ^ ~ " +
    "!> !>> !< !<< &> &>> &< &<< &~"
  ).split(" "),
);

/** The longest operator each of whose prefixes is one too; a bare `&` is only a prefix. */
function lexOperator(text: string, start: number): string | undefined {
  let op = "";
  for (let at = start; at < text.length; at++) {
    const longer = op + text[at];
    if (!OPERATORS.has(longer) && longer !== "&") break;
    op = longer;
  }
  return OPERATORS.has(op) ? op : undefined;
}

function lexWord(text: string, start: number, word: string): Token {
  const end = start + word.length;
  const next = text[end];
  if (next === "." && word === "parent") return lexParentAttribute(text, start, end + 1);
  const scope = next === "." ? ATTRIBUTE_SCOPES.get(word) : undefined;
  if (scope !== undefined) {
    return lexAttribute(text, start, end + 1, (key) => attribute(scope, key));
  }
  if (next === ":" && INTRINSIC_SCOPES.has(word)) {
    return { type: "intrinsic-scope", text: word, start, end: end + 1 };
  }
  return { type: "word", text: word, start, end };
}

function lexParentAttribute(text: string, start: number, nameStart: number): Token {
  for (const scope of ["span", "resource"] as const) {
    if (text.startsWith(`${scope}.`, nameStart)) {
      const at = nameStart + scope.length + 1;
      return lexAttribute(text, start, at, (key) => ({ type: "parent-attribute", scope, key }));
    }
  }
  return lexAttribute(text, start, nameStart, (key) => ({
    type: "parent-attribute",
    scope: "any",
    key,
  }));
}

function attribute(
  scope: "any" | "span" | "resource" | "event" | "link" | "instrumentation",
  key: string,
): FieldRef {
  return { type: "attribute", scope, key };
}

/** Characters that end an attribute name outside quotes. */
export const NAME_END = /[\s\u0085{}()=~!<>&|^,]/u;

/** An attribute's name: plain and quoted parts, joined. Quotes know the escapes `\"` and `\\`. */
function lexAttribute(
  text: string,
  start: number,
  nameStart: number,
  toField: (key: string) => FieldRef,
): Token {
  let key = "";
  let at = nameStart;
  while (at < text.length && !NAME_END.test(text[at]!)) {
    if (text[at] !== '"') {
      key += text[at++];
      continue;
    }
    const quote = at++;
    for (;;) {
      const c = text[at];
      if (c === undefined) {
        throw new TraceQLError("quoted attribute name not terminated", positionAt(text, quote));
      }
      at++;
      if (c === '"') break;
      if (c !== "\\") {
        key += c;
        continue;
      }
      const escaped = text[at];
      if (escaped !== '"' && escaped !== "\\") {
        throw new TraceQLError(
          'invalid escape in a quoted attribute name, only \\" and \\\\ are known',
          positionAt(text, at - 1),
        );
      }
      key += escaped;
      at++;
    }
  }
  if (key === "") {
    throw new TraceQLError(
      "syntax error: expected an attribute name after the dot",
      positionAt(text, nameStart),
    );
  }
  return { type: "attribute", field: toField(key), start, end: at };
}

function isDigit(c: string | undefined): boolean {
  return c !== undefined && c >= "0" && c <= "9";
}

/** Integer, float or duration: the latter is tried on the longest run of its characters. */
function lexNumber(text: string, start: number): Token {
  const number = /(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/y;
  number.lastIndex = start;
  const literal = number.exec(text)![0];
  const end = start + literal.length;
  const run = /[\p{Nd}.nsumhdwyµ]*/uy;
  run.lastIndex = end;
  const rest = run.exec(text)![0];
  if (rest !== "") {
    const value = parseDuration(literal + rest);
    if (value !== undefined) return { type: "duration", value, start, end: end + rest.length };
  }
  const after = text[end] ?? "";
  if (/[eE_xXoObB]/.test(after)) {
    throw new TraceQLError(
      `syntax error: bad number ${JSON.stringify(literal + after)}`,
      positionAt(text, start),
    );
  }
  if (/^[0-9]+$/.test(literal)) {
    if (literal.length > 1 && literal[0] === "0" && /[89]/.test(literal)) {
      throw new TraceQLError(
        `syntax error: bad number ${JSON.stringify(literal)}, leading zeros are not allowed`,
        positionAt(text, start),
      );
    }
    if (literal.replace(/^0+/, "").length > 19 || BigInt(literal) > INT64_MAX) {
      throw new TraceQLError("number out of range, integers have 64 bits", positionAt(text, start));
    }
    return { type: "int", value: BigInt(literal), start, end };
  }
  const value = Number(literal);
  if (!Number.isFinite(value)) {
    throw new TraceQLError("number out of range, floats have 64 bits", positionAt(text, start));
  }
  return { type: "float", value, start, end };
}
