/**
 * Environment expansion of a configuration text before it is parsed: only `${…}`, with the
 * operators that Tempo's files use. An undefined variable is the empty string. Two quirks are kept
 * because files rely on them: `:?` and `:+` behave like `:-`, and `${v-d}`, `${v+d}` are errors.
 * Throws `Error("missing closing brace")` for an expression that does not end or does not parse.
 */
export function expandEnv(text: string, env: Readonly<Record<string, string | undefined>>): string {
  const result = expandText(new Cursor(text), env, "", 0);
  if (result.length > MAX_EXPANDED_CHARS) {
    throw new Error(`expanded text is longer than ${MAX_EXPANDED_CHARS} characters`);
  }
  return result;
}

const MAX_EXPANDED_CHARS = 64 * 1024 * 1024;
/** Defaults may hold expressions themselves, `${A:-${B:-x}}`; nobody nests them deeper than this. */
const MAX_DEPTH = 20;
/** Trimming tries every prefix of a value, so its length bounds the work. */
const MAX_PATTERN_VALUE_CHARS = 100_000;

type Env = Readonly<Record<string, string | undefined>>;

class Cursor {
  readonly text: string;
  pos = 0;

  constructor(text: string) {
    this.text = text;
  }

  peek(): string {
    return this.text.charAt(this.pos);
  }

  eat(token: string): boolean {
    if (!this.text.startsWith(token, this.pos)) return false;
    this.pos += token.length;
    return true;
  }

  name(): string {
    NAME.lastIndex = this.pos;
    const found = NAME.exec(this.text)?.[0] ?? "";
    this.pos += found.length;
    return found;
  }
}

const NAME = /[A-Za-z0-9_]*/y;

/** Text up to one of `stops` (which is not consumed) or the end. */
function expandText(cursor: Cursor, env: Env, stops: string, depth: number): string {
  if (depth > MAX_DEPTH) throw new Error("expressions are nested too deeply");
  const out: string[] = [];
  let from = cursor.pos;
  const flush = () => out.push(cursor.text.slice(from, cursor.pos));
  while (cursor.pos < cursor.text.length) {
    const c = cursor.peek();
    if (stops.includes(c)) break;
    const next = cursor.text.charAt(cursor.pos + 1);
    if (c === "$" && next === "{") {
      flush();
      cursor.pos += 2;
      out.push(expression(cursor, env, depth));
      from = cursor.pos;
    } else if ((c === "$" && next === "$") || (c === "\\" && (next === "\\" || next === "/"))) {
      flush();
      cursor.pos += 2;
      out.push(next);
      from = cursor.pos;
    } else {
      cursor.pos++;
    }
  }
  flush();
  return out.join("");
}

/** expression := "#" name "}" | name [operator] "}", after the opening `${`. */
function expression(cursor: Cursor, env: Env, depth: number): string {
  const wantsLength = cursor.eat("#");
  const name = cursor.name();
  if (name === "") throw missingBrace();
  const value = Object.hasOwn(env, name) ? (env[name] ?? "") : "";
  const result = wantsLength
    ? String(value.length)
    : cursor.peek() === "}"
      ? value
      : applyOperator(cursor, env, value, depth);
  if (!cursor.eat("}")) throw missingBrace();
  return result;
}

function applyOperator(cursor: Cursor, env: Env, value: string, depth: number): string {
  const argument = (stops: string) => expandText(cursor, env, stops, depth + 1);
  if (eatAny(cursor, [":-", ":=", ":?", ":+", "="])) {
    const fallback = argument("}");
    return value === "" ? fallback : value;
  }
  if (cursor.eat(":"))
    return substring(value, argument(":}"), cursor.eat(":") ? argument("}") : "");
  if (cursor.eat("^^")) return value.toUpperCase();
  if (cursor.eat("^")) return value.slice(0, 1).toUpperCase() + value.slice(1);
  if (cursor.eat(",,")) return value.toLowerCase();
  if (cursor.eat(",")) return value.slice(0, 1).toLowerCase() + value.slice(1);
  for (const operator of ["##", "#", "%%", "%"] as const) {
    if (cursor.eat(operator)) return trim(value, operator, argument("}"));
  }
  for (const operator of ["//", "/#", "/%", "/"] as const) {
    if (!cursor.eat(operator)) continue;
    const from = argument("/}");
    const to = cursor.eat("/") ? argument("}") : "";
    return replace(value, operator, from, to);
  }
  throw missingBrace();
}

function eatAny(cursor: Cursor, tokens: readonly string[]): boolean {
  return tokens.some((token) => cursor.eat(token));
}

/** Positions that are no integers leave the value as it is. */
function substring(value: string, position: string, length: string): string {
  const from = Number.parseInt(position.trim(), 10);
  if (Number.isNaN(from)) return value;
  const start = from < 0 ? Math.max(0, value.length + from) : from;
  if (length.trim() === "") return value.slice(start);
  const count = Number.parseInt(length.trim(), 10);
  if (Number.isNaN(count)) return value;
  return count < 0 ? value.slice(start, count) : value.slice(start, start + count);
}

function replace(value: string, operator: "//" | "/#" | "/%" | "/", from: string, to: string) {
  if (from === "") return value;
  switch (operator) {
    case "/":
      return value.replace(from, () => to);
    case "//":
      return value.replaceAll(from, () => to);
    case "/#":
      return value.startsWith(from) ? to + value.slice(from.length) : value;
    case "/%":
      return value.endsWith(from) ? value.slice(0, value.length - from.length) + to : value;
    default:
      return operator satisfies never;
  }
}

/** Removes the shortest or longest prefix (`#`, `##`) or suffix (`%`, `%%`) matching `pattern`. */
function trim(value: string, operator: "#" | "##" | "%" | "%%", pattern: string): string {
  if (value.length > MAX_PATTERN_VALUE_CHARS) throw new Error("value is too long for a pattern");
  const regex = globToRegExp(pattern);
  const atStart = operator.startsWith("#");
  const longestFirst = operator.length === 2;
  for (let i = 0; i <= value.length; i++) {
    const length = longestFirst ? value.length - i : i;
    const part = atStart ? value.slice(0, length) : value.slice(value.length - length);
    if (regex.test(part))
      return atStart ? value.slice(length) : value.slice(0, -length || undefined);
  }
  return value;
}

/** `*`, `?` and `[…]`. Runs of stars are one star, which keeps matching cheap. */
function globToRegExp(pattern: string): RegExp {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern.charAt(i);
    const close = c === "[" ? pattern.indexOf("]", i + 2) : -1;
    if (c === "*") {
      if (!source.endsWith(".*")) source += ".*";
    } else if (c === "?") {
      source += ".";
    } else if (close > 0) {
      const body = pattern
        .slice(i + 1, close)
        .replace(/^[!^]/, "^")
        .replaceAll("\\", "\\\\");
      source += `[${body.startsWith("^") ? body : body.replaceAll("^", "\\^")}]`;
      i = close;
    } else {
      source += c.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
    }
  }
  return new RegExp(`^${source}$`, "s");
}

function missingBrace(): Error {
  return new Error("missing closing brace");
}
