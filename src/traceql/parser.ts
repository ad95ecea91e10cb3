import type {
  AggregateFn,
  ArithmeticOp,
  CompareOp,
  FieldRef,
  Hint,
  Query,
  ScalarExpr,
  SpansetExpr,
  SpansetOp,
  Stage,
} from "./ast.ts";
import { parseField, parseFieldRef, parseFilter, takeNumber, takeStatic } from "./field-parser.ts";
import { isMetricsWord, parseMetrics, parseSecondStages } from "./metrics-parser.ts";
import { TokenStream } from "./token-stream.ts";
import { AGGREGATE_WORDS, RESERVED_WORDS } from "./words.ts";

/**
 * The tree of `text`. Throws `TraceQLError` with the position of the first error, also when the
 * query is nested too deeply or too large.
 *
 * query = root { hints }
 */
export function parseQuery(text: string): Query {
  const tokens = new TokenStream(text);
  if (tokens.peek().type === "end") {
    throw tokens.error("syntax error: the query is empty, {} matches all spans");
  }
  const query = parseQueryPart(tokens);
  if (tokens.peek().type !== "end") throw tokens.unexpected();
  return query;
}

/** A query up to the first token that cannot belong to it. */
export function parseQueryPart(tokens: TokenStream): Query {
  const { stages, scalar } = parsePipeline(tokens);
  if (scalar !== undefined) throw tokens.unexpected("a comparison after the aggregate");
  let metrics: Query["metrics"];
  let second: Query["second"] = [];
  if (tokens.take("|")) {
    metrics = parseMetrics(tokens);
    second = parseSecondStages(tokens);
  }
  let hints: readonly Hint[] = [];
  while (tokens.is("with")) hints = parseHints(tokens);
  return { stages, metrics, second, hints };
}

/**
 * A field as it stands in the path of a tag values request: `.foo`, `span."a b"`, `span:name`.
 * Throws `TraceQLError`.
 */
export function parseTagName(text: string): FieldRef {
  const tokens = new TokenStream(text);
  const field = parseFieldRef(tokens);
  if (tokens.peek().type !== "end") throw tokens.unexpected("the end of the tag name");
  return field;
}

/** What stands at a place where spansets and scalars may: they share operators and parentheses. */
type Operand =
  | { readonly kind: "spanset"; readonly expr: SpansetExpr }
  | { readonly kind: "scalar"; readonly expr: ScalarExpr };

type ParsedPipeline = {
  readonly stages: readonly Stage[];
  /** A bare scalar at the end, which only a parenthesised pipeline may have. */
  readonly scalar: ScalarExpr | undefined;
};

/** pipeline = first { "|" stage }; stops before a "|" that a metrics function follows. */
function parsePipeline(tokens: TokenStream): ParsedPipeline {
  const stages: Stage[] = [];
  for (;;) {
    const parsed = parseStage(tokens, stages.length === 0);
    if (parsed.kind === "scalar") return { stages, scalar: parsed.expr };
    stages.push(parsed.stage);
    if (!tokens.is("|")) return { stages, scalar: undefined };
    const metrics = isMetricsWord(tokens.peek(1));
    if (standsAlone(parsed.stage)) {
      throw tokens.unexpected(
        "nothing after parenthesised pipelines, or after a comparison of them",
      );
    }
    if (metrics) return { stages, scalar: undefined };
    tokens.next();
  }
}

type ParsedStage =
  | { readonly kind: "stage"; readonly stage: Stage }
  | { readonly kind: "scalar"; readonly expr: ScalarExpr };

function parseStage(tokens: TokenStream, first: boolean): ParsedStage {
  if (tokens.is("by")) return { kind: "stage", stage: parseGroup(tokens) };
  if (tokens.is("select")) return { kind: "stage", stage: parseSelect(tokens) };
  if (tokens.is("coalesce")) {
    if (first) throw tokens.unexpected("a spanset filter first");
    tokens.next();
    tokens.expect("(");
    tokens.expect(")");
    return { kind: "stage", stage: tokens.node({ type: "coalesce" }) };
  }
  const start = tokens.peek();
  const operand = parseOperation(tokens, LOWEST);
  if (operand.kind === "spanset") {
    if (!first && standsAlone(operand.expr)) {
      throw tokens.error("syntax error: a parenthesised pipeline must come first", start);
    }
    return { kind: "stage", stage: operand.expr };
  }
  const op = tokens.operator();
  if (!COMPARE_OPS.has(op)) return operand;
  tokens.next();
  const right = parseOperation(tokens, 4);
  if (right.kind !== "scalar") throw tokens.unexpected("a number or an aggregate before it");
  const stage: Stage = tokens.node({
    type: "scalar-filter",
    op: op as CompareOp,
    left: operand.expr,
    right: right.expr,
  });
  if (!first && standsAlone(stage)) {
    throw tokens.error("syntax error: a parenthesised pipeline must come first", start);
  }
  return { kind: "stage", stage };
}

/** group = "by" "(" field ")" */
function parseGroup(tokens: TokenStream): Stage {
  tokens.expect("by");
  tokens.expect("(");
  const by = parseField(tokens);
  tokens.expect(")");
  return tokens.node({ type: "group", by });
}

/** select = "select" "(" attr { "," attr } ")" */
function parseSelect(tokens: TokenStream): Stage {
  tokens.expect("select");
  tokens.expect("(");
  const fields: FieldRef[] = [];
  do {
    fields.push(tokens.node(parseFieldRef(tokens)));
  } while (tokens.take(","));
  tokens.expect(")");
  return tokens.node({ type: "select", fields });
}

const COMPARE_OPS: ReadonlySet<string> = new Set(["=", "!=", "<", "<=", ">", ">="]);
const LOWEST = 2;
const SPANSET_LEVELS: ReadonlyMap<string, number> = new Map([
  ["&&", 2],
  ["||", 2],
  ...[">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~"].map((op) => [op, 3] as const),
  ...["&>", "&>>", "&<", "&<<", "&~"].map((op) => [op, 3] as const),
]);
const SCALAR_LEVELS: ReadonlyMap<string, number> = new Map([
  ["+", 4],
  ["-", 4],
  ["*", 6],
  ["/", 6],
  ["%", 6],
  ["^", 7],
]);

/** spansetExpr, pipeExpr, scalar or pscalar, whichever the first operand turns out to be. */
function parseOperation(tokens: TokenStream, minLevel: number): Operand {
  return tokens.nested(() => {
    let left = parseOperand(tokens);
    for (;;) {
      const op = tokens.operator();
      const level = (left.kind === "spanset" ? SPANSET_LEVELS : SCALAR_LEVELS).get(op);
      if (level === undefined || level < minLevel) return left;
      tokens.next();
      const right = parseOperation(tokens, op === "^" ? level : level + 1);
      if (left.kind === "spanset" && right.kind === "spanset") {
        const expr: SpansetExpr = {
          type: "spanset-op",
          op: op as SpansetOp,
          left: left.expr,
          right: right.expr,
        };
        left = { kind: "spanset", expr: tokens.node(expr) };
      } else if (left.kind === "scalar" && right.kind === "scalar") {
        const expr: ScalarExpr = {
          type: "scalar-op",
          op: op as ArithmeticOp,
          left: left.expr,
          right: right.expr,
        };
        left = { kind: "scalar", expr: tokens.node(expr) };
      } else {
        throw tokens.unexpected(`two operands of the same sort for ${op} before it`);
      }
    }
  });
}

function parseOperand(tokens: TokenStream): Operand {
  if (tokens.is("{")) {
    return { kind: "spanset", expr: tokens.node({ type: "filter", expr: parseFilter(tokens) }) };
  }
  if (tokens.is("(")) return parseParenthesised(tokens);
  const token = tokens.peek();
  if (token.type === "word" && AGGREGATE_WORDS.has(token.text)) {
    return { kind: "scalar", expr: parseAggregate(tokens) };
  }
  const value = takeNumber(tokens);
  if (value === undefined) throw tokens.unexpected("a spanset filter {…} or a pipeline stage");
  return { kind: "scalar", expr: tokens.node({ type: "scalar-static", value }) };
}

/** aggregate = "count" "(" ")" | ("min" | "max" | "avg" | "sum") "(" field ")" */
function parseAggregate(tokens: TokenStream): ScalarExpr {
  const token = tokens.next();
  const fn = (token.type === "word" ? token.text : "") as AggregateFn;
  tokens.expect("(");
  const expr = fn === "count" ? undefined : parseField(tokens);
  tokens.expect(")");
  return tokens.node({ type: "aggregate", fn, expr });
}

/**
 * "(" … ")": a spanset expression or a scalar stays what it is, anything longer is a pipeline, and
 * a pipeline that ends in a bare aggregate is a scalar.
 */
function parseParenthesised(tokens: TokenStream): Operand {
  tokens.expect("(");
  const { stages, scalar } = parsePipeline(tokens);
  tokens.expect(")");
  if (scalar !== undefined) {
    if (stages.length === 0) return { kind: "scalar", expr: scalar };
    if (scalar.type !== "aggregate") {
      throw tokens.unexpected("a single aggregate at the end of the pipeline before it");
    }
    const expr: ScalarExpr = { type: "scalar-pipeline", stages, aggregate: scalar };
    return { kind: "scalar", expr: tokens.node(expr) };
  }
  const only = stages.length === 1 ? stages[0]! : undefined;
  if (only?.type === "filter" || only?.type === "spanset-op" || only?.type === "pipeline") {
    return { kind: "spanset", expr: only };
  }
  return { kind: "spanset", expr: tokens.node({ type: "pipeline", stages }) };
}

/** Whether a stage has parenthesised pipelines as operands: then it is the whole query. */
function standsAlone(stage: Stage): boolean {
  const pending: (Stage | ScalarExpr)[] = [stage];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    switch (node.type) {
      case "pipeline":
      case "scalar-pipeline":
        return true;
      case "spanset-op":
      case "scalar-op":
      case "scalar-filter":
        pending.push(node.left, node.right);
        break;
      default:
        break;
    }
  }
  return false;
}

/** hints = "with" "(" hint { "," hint } ")"; hint = IDENTIFIER "=" static */
export function parseHints(tokens: TokenStream): Hint[] {
  tokens.expect("with");
  tokens.expect("(");
  const hints: Hint[] = [];
  do {
    const name = tokens.peek();
    if (name.type !== "word" || RESERVED_WORDS.has(name.text)) {
      throw tokens.unexpected("the name of a hint");
    }
    tokens.next();
    tokens.expect("=");
    const value = takeStatic(tokens);
    if (value === undefined) throw tokens.unexpected("a value");
    hints.push(tokens.node({ name: name.text, value }));
  } while (tokens.take(","));
  tokens.expect(")");
  return hints;
}
