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
  | { readonly type: "prefix" | "suffix" | "contains"; readonly value: string };

/** The plain form of a valid pattern, fully anchored and dot-all; undefined when there is none. */
export function plainPattern(pattern: string): PlainPattern | undefined {
  if (pattern === ".*") return { type: "any" };
  const alternatives = splitAlternatives(pattern);
  if (alternatives === undefined) return undefined;
  const literals = alternatives.map(literalOf);
  if (literals.every((literal) => literal !== undefined)) {
    return { type: "equals", values: [...new Set(literals)] };
  }
  if (alternatives.length > 1) return undefined;
  const open = pattern.startsWith(".*");
  const close = pattern.endsWith(".*") && !pattern.endsWith("\\.*");
  const body = pattern.slice(open ? 2 : 0, close ? -2 : undefined);
  const value = pattern.length < 2 || body === "" ? undefined : literalOf(body);
  if (value === undefined) return undefined;
  if (open && close) return { type: "contains", value };
  if (open) return { type: "suffix", value };
  return close ? { type: "prefix", value } : undefined;
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
