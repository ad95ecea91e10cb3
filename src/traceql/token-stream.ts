import type { Token } from "./lexer.ts";
import { tokenize } from "./lexer.ts";
import { positionAt, TraceQLError } from "./traceql-error.ts";

/**
 * Bounds of a query's tree. Real queries stay far below; beyond them the parser, and the passes and
 * the database after it, would cost more than an answer is worth.
 */
export const MAX_DEPTH = 256;
export const MAX_NODES = 10_000;

/** The parser's place in a query's tokens, and its share of the bounds. */
export class TokenStream {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #nodes = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
  }

  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.peek();
    this.#at++;
    return token;
  }

  /** Whether the next token is this operator or word. */
  is(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return (token.type === "op" || token.type === "word") && token.text === text;
  }

  /** Takes the next token if it is this operator or word. */
  take(text: string): boolean {
    if (!this.is(text)) return false;
    this.#at++;
    return true;
  }

  expect(text: string): void {
    if (!this.take(text)) throw this.unexpected(text);
  }

  /** The text of the next token when it is an operator, else "". */
  operator(): string {
    const token = this.peek();
    return token.type === "op" ? token.text : "";
  }

  /** Runs `parse` one level deeper. */
  nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) {
      throw this.error(`nested too deeply, the limit is ${MAX_DEPTH} levels`);
    }
    const result = parse();
    this.#depth--;
    return result;
  }

  /** Counts one node of the tree. */
  node<T>(made: T): T {
    if (++this.#nodes > MAX_NODES) {
      throw this.error(`query too large, the limit is ${MAX_NODES} operands and operators`);
    }
    return made;
  }

  error(detail: string, token: Token = this.peek()): TraceQLError {
    return new TraceQLError(detail, positionAt(this.#text, token.start));
  }

  /** The next token has no place here. */
  unexpected(expected?: string): TraceQLError {
    const token = this.peek();
    const tail = expected === undefined ? "" : `, expected ${expected}`;
    if (token.type === "end") return this.error(`syntax error: unexpected end of query${tail}`);
    const text = this.#text.slice(token.start, token.end);
    const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
    return this.error(`syntax error: unexpected ${shown}${tail}`);
  }
}
