import type { CompareOp, FieldRef, MetricsStage, SecondStage } from "./ast.ts";
import { parseFieldRef, parseFilter, takeNumber } from "./field-parser.ts";
import type { Token } from "./lexer.ts";
import type { TokenStream } from "./token-stream.ts";
import { METRICS_OF_FIELD, METRICS_WITHOUT_FIELD } from "./words.ts";

export function isMetricsWord(token: Token): boolean {
  return (
    token.type === "word" &&
    (METRICS_WITHOUT_FIELD.has(token.text) ||
      METRICS_OF_FIELD.has(token.text) ||
      token.text === "quantile_over_time" ||
      token.text === "compare")
  );
}

/** metrics = function "(" arguments ")" [ "by" "(" attr { "," attr } ")" ] */
export function parseMetrics(tokens: TokenStream): MetricsStage {
  const token = tokens.next();
  const name = token.type === "word" ? token.text : "";
  tokens.expect("(");
  if (name === "compare") return parseCompare(tokens);
  if (name === "quantile_over_time") {
    const field = parseFieldRef(tokens);
    const quantiles: number[] = [];
    while (tokens.take(",")) {
      const number = tokens.peek();
      if (number.type !== "int" && number.type !== "float") throw tokens.unexpected("a quantile");
      tokens.next();
      quantiles.push(tokens.node(Number(number.value)));
    }
    if (quantiles.length === 0) throw tokens.unexpected("a comma and a quantile");
    tokens.expect(")");
    return tokens.node({ type: "quantiles", field, quantiles, by: parseBy(tokens) });
  }
  const plain = METRICS_WITHOUT_FIELD.get(name);
  const fn = plain ?? METRICS_OF_FIELD.get(name)!;
  const field = plain === undefined ? parseFieldRef(tokens) : undefined;
  tokens.expect(")");
  return tokens.node({ type: "metrics", fn, field, by: parseBy(tokens) });
}

function parseBy(tokens: TokenStream): FieldRef[] {
  const fields: FieldRef[] = [];
  if (!tokens.take("by")) return fields;
  tokens.expect("(");
  do {
    fields.push(tokens.node(parseFieldRef(tokens)));
  } while (tokens.take(","));
  tokens.expect(")");
  return fields;
}

/** compare "(" filter [ "," INTEGER [ "," INTEGER "," INTEGER ] ] ")", after the parenthesis. */
function parseCompare(tokens: TokenStream): MetricsStage {
  const selection = parseFilter(tokens);
  let topN: bigint | undefined;
  let window: { start: bigint; end: bigint } | undefined;
  if (tokens.take(",")) {
    topN = parseInteger(tokens);
    if (tokens.take(",")) {
      const start = parseInteger(tokens);
      tokens.expect(",");
      window = { start, end: parseInteger(tokens) };
    }
  }
  tokens.expect(")");
  return tokens.node({ type: "compare", selection, topN, window });
}

function parseInteger(tokens: TokenStream): bigint {
  const token = tokens.peek();
  if (token.type !== "int") throw tokens.unexpected("an integer");
  tokens.next();
  return token.value;
}

const COMPARE_OPS: ReadonlySet<string> = new Set(["=", "!=", "<", "<=", ">", ">="]);

/** second = "|" ("topk" | "bottomk") "(" INTEGER ")" | cmp number */
export function parseSecondStages(tokens: TokenStream): SecondStage[] {
  const stages: SecondStage[] = [];
  for (;;) {
    const op = tokens.operator();
    if (op === "|") {
      tokens.next();
      const type = tokens.is("topk") ? "topk" : tokens.is("bottomk") ? "bottomk" : undefined;
      if (type === undefined) throw tokens.unexpected("topk or bottomk");
      tokens.next();
      tokens.expect("(");
      const limit = parseInteger(tokens);
      tokens.expect(")");
      stages.push(tokens.node({ type, limit }));
    } else if (COMPARE_OPS.has(op)) {
      tokens.next();
      const value = takeNumber(tokens);
      if (value === undefined) throw tokens.unexpected("a number");
      stages.push(tokens.node({ type: "metrics-filter", op: op as CompareOp, value }));
    } else {
      return stages;
    }
  }
}
