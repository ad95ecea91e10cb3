import type { BinaryOp, FieldExpr, FieldRef, Static } from "./ast.ts";
import { FALSE_EXPR, TRUE_EXPR } from "./ast.ts";
import type { TokenStream } from "./token-stream.ts";
import { BARE_INTRINSICS, RESERVED_WORDS, SCOPED_INTRINSICS, STATIC_WORDS } from "./words.ts";

/** Binding powers; `&&` and `||` share one level, and so do all comparisons. */
const LEVELS: ReadonlyMap<string, number> = new Map([
  ["&&", 2],
  ["||", 2],
  ["=", 3],
  ["!=", 3],
  ["<", 3],
  ["<=", 3],
  [">", 3],
  [">=", 3],
  ["=~", 3],
  ["!~", 3],
  ["+", 4],
  ["-", 4],
  ["*", 6],
  ["/", 6],
  ["%", 6],
  ["^", 7],
]);
const LOWEST = 2;

/** field = field binOp field | ("-" | "!") field | "(" field ")" | nil tests | static | attr */
export function parseField(tokens: TokenStream, minLevel = LOWEST): FieldExpr {
  return tokens.nested(() => {
    let left = parsePrefix(tokens);
    for (;;) {
      const op = tokens.operator();
      const level = LEVELS.get(op);
      if (level === undefined || level < minLevel) return left;
      tokens.next();
      if ((op === "=" || op === "!=") && tokens.take("nil")) {
        left = tokens.node({ type: "exists", operand: left, negated: op === "=" });
        continue;
      }
      const right = parseField(tokens, op === "^" ? level : level + 1);
      left = tokens.node({ type: "binary", op: op as BinaryOp, left, right });
    }
  });
}

function parsePrefix(tokens: TokenStream): FieldExpr {
  // The operand of "-" binds tighter than + and -, but looser than *: -a * b is -(a * b).
  if (tokens.take("-")) {
    return tokens.node({ type: "unary", op: "-", operand: parseField(tokens, 5) });
  }
  if (tokens.take("!")) {
    return tokens.node({ type: "unary", op: "!", operand: parseField(tokens, 6) });
  }
  if (tokens.take("(")) {
    const inner = parseField(tokens);
    tokens.expect(")");
    return inner;
  }
  if (tokens.is("nil")) return parseNilTest(tokens);
  const value = takeStatic(tokens);
  if (value !== undefined) return tokens.node({ type: "static", value });
  return tokens.node({ type: "field", field: parseFieldRef(tokens) });
}

/** "nil" ("=" | "!=") (field | "nil"): two nils are constant false for both operators. */
function parseNilTest(tokens: TokenStream): FieldExpr {
  tokens.expect("nil");
  const negated = tokens.is("=");
  if (!negated && !tokens.is("!=")) throw tokens.unexpected("= or != after nil");
  tokens.next();
  if (tokens.take("nil")) return tokens.node(FALSE_EXPR);
  return tokens.node({ type: "exists", operand: parseField(tokens, 4), negated });
}

/** static = STRING | INTEGER | FLOAT | DURATION | word; undefined when the next token is none. */
export function takeStatic(tokens: TokenStream): Static | undefined {
  const token = tokens.peek();
  let value: Static | undefined;
  switch (token.type) {
    case "string":
      value = { type: "string", value: token.value };
      break;
    case "int":
    case "duration":
      value = { type: token.type, value: token.value };
      break;
    case "float":
      value = { type: "float", value: token.value };
      break;
    case "word":
      value = STATIC_WORDS.get(token.text);
      break;
    default:
      return undefined;
  }
  if (value !== undefined) tokens.next();
  return value;
}

/** attr = bareIntrinsic | scopedIntrinsic | scopedAttribute */
export function parseFieldRef(tokens: TokenStream): FieldRef {
  const token = tokens.peek();
  if (token.type === "attribute") {
    tokens.next();
    return token.field;
  }
  if (token.type === "intrinsic-scope") {
    tokens.next();
    const word = tokens.peek();
    const name =
      word.type === "word" ? SCOPED_INTRINSICS.get(`${token.text}:${word.text}`) : undefined;
    if (name === undefined) throw tokens.unexpected(`an intrinsic of ${token.text}:`);
    tokens.next();
    return { type: "intrinsic", name };
  }
  if (token.type === "word") {
    const name = BARE_INTRINSICS.get(token.text);
    if (name !== undefined) {
      tokens.next();
      return { type: "intrinsic", name };
    }
    if (!RESERVED_WORDS.has(token.text)) {
      const shown = token.text.slice(0, 100);
      throw tokens.error(
        `unknown identifier ${shown}, attributes need a scope or a dot: .${shown}, span.${shown}`,
      );
    }
  }
  throw tokens.unexpected("a field or a value");
}

/** filter = "{" [ field ] "}" */
export function parseFilter(tokens: TokenStream): FieldExpr {
  tokens.expect("{");
  if (tokens.take("}")) return tokens.node(TRUE_EXPR);
  const expr = parseField(tokens);
  tokens.expect("}");
  return expr;
}

/** [ "-" ] ( INTEGER | FLOAT | DURATION ) */
export function takeNumber(tokens: TokenStream): Static | undefined {
  const negative = tokens.is("-");
  const token = tokens.peek(negative ? 1 : 0);
  if (token.type !== "int" && token.type !== "float" && token.type !== "duration") return undefined;
  if (negative) tokens.next();
  tokens.next();
  if (token.type === "float")
    return { type: "float", value: negative ? -token.value : token.value };
  return { type: token.type, value: negative ? -token.value : token.value };
}
