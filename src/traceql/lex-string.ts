import type { Token } from "./lexer.ts";
import { positionAt, TraceQLError } from "./traceql-error.ts";

const SIMPLE_ESCAPES: ReadonlyMap<string, number> = new Map([
  ["a", 7],
  ["b", 8],
  ["f", 12],
  ["n", 10],
  ["r", 13],
  ["t", 9],
  ["v", 11],
  ["\\", 92],
  ['"', 34],
]);

/** A string token: `"…"` with Go's escapes, or `` `…` `` without any. `text[start]` is the quote. */
export function lexString(text: string, start: number): Token {
  return text[start] === "`" ? rawString(text, start) : interpretedString(text, start);
}

function rawString(text: string, start: number): Token {
  const close = text.indexOf("`", start + 1);
  if (close === -1) throw unterminated(text, start);
  const value = text.slice(start + 1, close).replaceAll("\r", "");
  return { type: "string", value, start, end: close + 1 };
}

function interpretedString(text: string, start: number): Token {
  let value = "";
  // Bytes of consecutive \x and octal escapes: together they may spell a UTF-8 character.
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length === 0) return;
    value += new TextDecoder().decode(Uint8Array.from(bytes));
    bytes = [];
  };
  let at = start + 1;
  for (;;) {
    const c = text[at];
    if (c === undefined || c === "\n") throw unterminated(text, start);
    if (c === '"') break;
    if (c !== "\\") {
      flush();
      value += c;
      at++;
      continue;
    }
    const read = readEscape(text, at);
    if ("byte" in read) {
      bytes.push(read.byte);
    } else {
      flush();
      value += String.fromCodePoint(read.codePoint);
    }
    at = read.end;
  }
  flush();
  return { type: "string", value, start, end: at + 1 };
}

type Escape = { end: number } & ({ byte: number } | { codePoint: number });

function readEscape(text: string, at: number): Escape {
  const kind = text[at + 1] ?? "";
  const simple = SIMPLE_ESCAPES.get(kind);
  if (simple !== undefined) return { codePoint: simple, end: at + 2 };
  const pattern = ESCAPE_DIGITS.find((p) => p.lead.test(kind));
  if (pattern !== undefined) {
    const digits = text.slice(at + pattern.skip, at + pattern.skip + pattern.count);
    const valid = pattern.base === 8 ? /^[0-7]+$/ : /^[0-9a-fA-F]+$/;
    const number = Number.parseInt(digits, pattern.base);
    if (digits.length === pattern.count && valid.test(digits) && number <= pattern.max) {
      const end = at + pattern.skip + pattern.count;
      if (pattern.max === 0xff) return { byte: number, end };
      if (number < 0xd800 || number > 0xdfff) return { codePoint: number, end };
    }
  }
  throw new TraceQLError(
    `syntax error: invalid escape \\${kind} in a string, write \\\\ for a backslash or use backticks`,
    positionAt(text, at),
  );
}

const ESCAPE_DIGITS = [
  { lead: /[0-7]/, skip: 1, count: 3, base: 8, max: 0xff },
  { lead: /x/, skip: 2, count: 2, base: 16, max: 0xff },
  { lead: /u/, skip: 2, count: 4, base: 16, max: 0x10ffff },
  { lead: /U/, skip: 2, count: 8, base: 16, max: 0x10ffff },
];

function unterminated(text: string, start: number): TraceQLError {
  return new TraceQLError("string literal not terminated", positionAt(text, start));
}
