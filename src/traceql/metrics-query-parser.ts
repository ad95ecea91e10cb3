import type { ArithmeticOp, Hint } from "./ast.ts";
import { takeNumber } from "./field-parser.ts";
import { isMetricsWord, parseSecondStages } from "./metrics-parser.ts";
import type { MetricsExpr, MetricsQuery, NumberStatic } from "./metrics-query.ts";
import { parseHints, parseQuery, parseQueryPart } from "./parser.ts";
import { TokenStream } from "./token-stream.ts";

/**
 * The tree of a query with arithmetic, or of any plain query. Throws `TraceQLError` as `parseQuery`.
 *
 * metricsQuery = query | sum { second } { hints }
 */
export function parseMetricsQuery(text: string): MetricsQuery {
  const tokens = new TokenStream(text);
  if (!hasParenthesisedMetrics(tokens)) {
    return { expr: { type: "query", query: parseQuery(text) }, second: [], hints: [] };
  }
  const expr = parseOperation(tokens, 0);
  const second = parseSecondStages(tokens);
  let hints: readonly Hint[] = [];
  while (tokens.is("with")) hints = parseHints(tokens);
  if (tokens.peek().type !== "end") throw tokens.unexpected();
  return { expr, second, hints };
}

/** Whether a metrics function stands within parentheses, as no plain query has it. */
function hasParenthesisedMetrics(tokens: TokenStream): boolean {
  let depth = 0;
  for (let at = 0; tokens.peek(at).type !== "end"; at++) {
    if (tokens.is("(", at)) depth++;
    else if (tokens.is(")", at)) depth--;
    else if (depth > 0 && tokens.is("|", at) && isMetricsWord(tokens.peek(at + 1))) return true;
  }
  return false;
}

const LEVELS: ReadonlyMap<string, number> = new Map([
  ["+", 1],
  ["-", 1],
  ["*", 2],
  ["/", 2],
  ["%", 2],
  ["^", 3],
]);

/** sum = operand { ( "+" | "-" | "*" | "/" | "%" | "^" ) operand }, with the usual precedence. */
function parseOperation(tokens: TokenStream, minLevel: number): MetricsExpr {
  return tokens.nested(() => {
    let left = parseOperand(tokens);
    for (;;) {
      const op = tokens.operator();
      const level = LEVELS.get(op);
      if (level === undefined || level < minLevel) return left;
      tokens.next();
      const right = parseOperation(tokens, op === "^" ? level : level + 1);
      left = tokens.node({ type: "operation", op: op as ArithmeticOp, left, right });
    }
  });
}

/** operand = number | "(" query with a metrics function ")" | "(" sum ")" */
function parseOperand(tokens: TokenStream): MetricsExpr {
  const value = takeNumber(tokens);
  if (value !== undefined) return tokens.node({ type: "number", value: value as NumberStatic });
  if (!tokens.is("(")) throw tokens.unexpected("a metrics query in parentheses or a number");
  const inner = hasMetricsAtThisLevel(tokens);
  tokens.expect("(");
  const expr: MetricsExpr = inner
    ? { type: "query", query: parseQueryPart(tokens) }
    : parseOperation(tokens, 0);
  tokens.expect(")");
  return tokens.node(expr);
}

/** Whether the parenthesis that comes next holds a metrics function itself, not in further ones. */
function hasMetricsAtThisLevel(tokens: TokenStream): boolean {
  let depth = 0;
  for (let at = 0; tokens.peek(at).type !== "end"; at++) {
    if (tokens.is("(", at)) depth++;
    else if (tokens.is(")", at)) {
      if (--depth === 0) return false;
    } else if (depth === 1 && tokens.is("|", at) && isMetricsWord(tokens.peek(at + 1))) return true;
  }
  return false;
}
