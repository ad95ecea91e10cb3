import { RegexScanner } from "./regex-scanner.ts";
import { TraceQLError } from "./traceql-error.ts";

/** Throws `TraceQLError` for a pattern that the database's RE2 or Go's regexp would refuse. */
export function checkRegex(pattern: string): void {
  compileRegex(pattern);
}

/** The pattern as DuckDB's RE2 takes it. Throws as `checkRegex` does. */
export function compileRegex(pattern: string): string {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new TraceQLError(
      `invalid regex: ${pattern.length} characters, the limit is ${MAX_PATTERN_LENGTH}`,
    );
  }
  return new RegexScanner(pattern).scan();
}

/** Longer ones compile slowly, once for each thread that runs the query. */
const MAX_PATTERN_LENGTH = 20_000;

/** A pattern that needs no regular expression: one of its forms decides by plain comparison. */
export type PlainPattern =
  | { readonly type: "any" }
  | { readonly type: "equals"; readonly values: readonly string[] }
  | { readonly type: "prefix" | "suffix" | "contains"; readonly value: string }
  /** Two at least: the first at the start, the last at the end, the others between them in turn. */
  | { readonly type: "pieces"; readonly pieces: readonly string[] };

/** The plain form of a valid pattern, fully anchored and dot-all; undefined when there is none. */
export function plainPattern(pattern: string): PlainPattern | undefined {
  const alternatives = splitAlternatives(pattern);
  if (alternatives === undefined) return undefined;
  const literals = alternatives.map(literalOf);
  if (literals.every((literal) => literal !== undefined)) {
    return { type: "equals", values: [...new Set(literals)] };
  }
  return alternatives.length > 1 ? undefined : patternOfPieces(pattern);
}

/** Whether the pattern matches the text as the database has it. */
export function matchesPlain(plain: PlainPattern, text: string): boolean {
  switch (plain.type) {
    case "any":
      return true;
    case "equals":
      return plain.values.includes(text);
    case "prefix":
      return text.startsWith(plain.value);
    case "suffix":
      return text.endsWith(plain.value);
    case "contains":
      return text.includes(plain.value);
    case "pieces":
      return matchesPieces(plain.pieces, text);
    default:
      return plain satisfies never;
  }
}

/** Each piece where it first occurs leaves the most for those behind it. */
function matchesPieces(pieces: readonly string[], text: string): boolean {
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  const end = text.length - last.length;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= end;
}

/** Of a pattern that is literal but for `.*`, which it has. */
function patternOfPieces(pattern: string): PlainPattern | undefined {
  const pieces: string[] = [];
  for (const part of splitAtAnyText(pattern)) {
    const literal = literalOf(part);
    if (literal === undefined) return undefined;
    pieces.push(literal);
  }
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  // Any text twice is any text.
  const middle = pieces.slice(1, -1).filter((piece) => piece !== "");
  if (middle.length === 0 && last === "") {
    return first === "" ? { type: "any" } : { type: "prefix", value: first };
  }
  if (middle.length === 0 && first === "") return { type: "suffix", value: last };
  if (middle.length === 1 && first === "" && last === "") {
    return { type: "contains", value: middle[0]! };
  }
  return { type: "pieces", pieces: [first, ...middle, last] };
}

/** The parts between each `.*`. */
function splitAtAnyText(pattern: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === "\\") i++;
    else if (pattern.startsWith(".*", i)) {
      parts.push(pattern.slice(start, i));
      start = i + 2;
      i++;
    }
  }
  return [...parts, pattern.slice(start)];
}

/** The parts between top-level bars; undefined when the pattern has groups, classes or quotes. */
function splitAlternatives(pattern: string): string[] | undefined {
  const parts: string[] = [];
  let part = "";
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if ("()[]".includes(c)) return undefined;
    if (c === "|") {
      parts.push(part);
      part = "";
      continue;
    }
    part += c;
    if (c === "\\") part += pattern[++i] ?? "";
  }
  return [...parts, part];
}

/** The text that a pattern without operators stands for. */
function literalOf(pattern: string): string | undefined {
  let literal = "";
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (".*+?{}()[]|^$".includes(c)) return undefined;
    if (c !== "\\") {
      literal += c;
      continue;
    }
    const escaped = pattern[++i] ?? "";
    if (!/[!-/:-@[-`{-~]/.test(escaped)) return undefined;
    literal += escaped;
  }
  return literal;
}
