/** A piece of DuckDB SQL. Blanks and comments are no tokens; `start`, `end` index the text. */
export type SqlToken = {
  readonly type: "word" | "quoted" | "string" | "number" | "symbol";
  /** Words in lower case, quoted names and strings unescaped, symbols one character each. */
  readonly value: string;
  readonly start: number;
  readonly end: number;
};

const BLANK = /\s/;
const WORD_START = /[\p{L}_]/u;
const WORD = /[\p{L}\p{N}_$]+/uy;
const NUMBER = /[0-9][0-9a-zA-Z_.]*/y;
const DOLLAR_TAG = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy;

/**
 * Tokens of a statement, or `undefined` for text that this reading does not cover (an open quote,
 * prefixed strings, dollar quotes): callers then leave the statement as it is.
 */
export function sqlTokens(text: string): SqlToken[] | undefined {
  const tokens: SqlToken[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    const start = at;
    if (BLANK.test(char)) {
      at++;
    } else if (text.startsWith("--", at)) {
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end + 1;
    } else if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2);
      // Comments nest in some dialects: one that opens another is left to DuckDB.
      if (end < 0 || text.slice(at + 2, end).includes("/*")) return undefined;
      at = end + 2;
    } else if (char === "'" || char === '"') {
      const end = closingQuote(text, at);
      if (end === undefined) return undefined;
      const value = text.slice(at + 1, end).replaceAll(char + char, char);
      tokens.push({ type: char === "'" ? "string" : "quoted", value, start, end: end + 1 });
      at = end + 1;
    } else if (WORD_START.test(char)) {
      at = matchEnd(WORD, text, at) ?? at + 1;
      if (text[at] === "'") return undefined; // E'…', X'…': other escapes.
      tokens.push({ type: "word", value: text.slice(start, at).toLowerCase(), start, end: at });
    } else if (char >= "0" && char <= "9") {
      at = matchEnd(NUMBER, text, at) ?? at + 1;
      tokens.push({ type: "number", value: text.slice(start, at), start, end: at });
    } else if (matchEnd(DOLLAR_TAG, text, at) !== undefined) {
      return undefined;
    } else {
      at++;
      tokens.push({ type: "symbol", value: char, start, end: at });
    }
  }
  return tokens;
}

function closingQuote(text: string, open: number): number | undefined {
  const quote = text[open]!;
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] !== quote) continue;
    if (text[at + 1] !== quote) return at;
    at++;
  }
  return undefined;
}

function matchEnd(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
