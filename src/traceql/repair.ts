import type { Token } from "./lexer.ts";
import { tokenizeUntilError } from "./lexer.ts";

/**
 * A query that was cut off while it was typed, made whole where that can be done without guessing:
 * comparisons without a right side become `true`, connectors without an operand go, and missing
 * braces are added. What follows the first pipe stays as it is.
 */
export function repairQuery(text: string): string {
  const { tokens } = tokenizeUntilError(text);
  const pipe = tokens.findIndex((token) => token.type === "op" && token.text === "|");
  const first = pipe === -1 ? tokens.slice(0, -1) : tokens.slice(0, pipe);
  const rest = pipe === -1 ? "" : text.slice(tokens[pipe]!.start);
  const words = withoutDangling(withoutIncomplete(first, text));
  const open = words.filter((w) => w === "{").length - words.filter((w) => w === "}").length;
  for (let i = 0; i < open; i++) words.push("}");
  return `${words.join(" ")} ${rest}`;
}

const COMPARISONS: ReadonlySet<string> = new Set(["=", "!=", "<", "<=", ">", ">=", "=~", "!~"]);

/** Token texts, with `true` in the place of each field and operator that no value follows. */
function withoutIncomplete(tokens: readonly Token[], text: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < tokens.length; ) {
    const length = fieldLength(tokens, at);
    const op = length === 0 ? undefined : tokens[at + length];
    if (op?.type === "op" && COMPARISONS.has(op.text) && !isValue(tokens, at + length + 1)) {
      words.push("true");
      at += length + 1;
      continue;
    }
    const end = at + Math.max(length, 1);
    words.push(text.slice(tokens[at]!.start, tokens[end - 1]!.end));
    at = end;
  }
  return words;
}

/** How many tokens the field at `at` has; 0 when none begins there. */
function fieldLength(tokens: readonly Token[], at: number): number {
  const token = tokens[at]!;
  if (token.type === "attribute") return 1;
  if (token.type === "intrinsic-scope") return tokens[at + 1]?.type === "word" ? 2 : 1;
  return token.type === "word" ? 1 : 0;
}

function isValue(tokens: readonly Token[], at: number): boolean {
  const token = tokens[at];
  if (token === undefined || token.type === "end") return false;
  if (token.type === "op") {
    return (
      token.text === "(" || token.text === "!" || (token.text === "-" && isValue(tokens, at + 1))
    );
  }
  return true;
}

function withoutDangling(words: readonly string[]): string[] {
  const kept: string[] = [];
  const last = () => kept[kept.length - 1];
  const isConnector = (word: string | undefined) => word === "&&" || word === "||";
  for (const word of words) {
    if (isConnector(word)) {
      const before = last();
      if (before === undefined || before === "{" || before === "(" || isConnector(before)) continue;
    }
    if (word === ")" || word === "}") {
      while (isConnector(last())) kept.pop();
      if (word === ")" && last() === "(") {
        kept.pop();
        continue;
      }
    }
    kept.push(word);
  }
  while (isConnector(last())) kept.pop();
  return kept;
}
