import { PintailError } from "../errors.ts";

/** Where in a query's text, both counted from 1; columns are Unicode characters. */
export type Position = { readonly line: number; readonly column: number };

/**
 * A query that is wrong in itself. A syntax error knows its position and reads
 * `parse error at line L, col C: …`; an error of a later check has none.
 */
export class TraceQLError extends PintailError {
  readonly position: Position | undefined;

  constructor(detail: string, position?: Position) {
    super(
      "invalid",
      position === undefined
        ? detail
        : `parse error at line ${position.line}, col ${position.column}: ${detail}`,
    );
    this.name = "TraceQLError";
    this.position = position;
  }
}

/** The position of offset `at` (UTF-16 units) in `text`. */
export function positionAt(text: string, at: number): Position {
  let line = 1;
  let lineStart = 0;
  for (let i = text.indexOf("\n"); i !== -1 && i < at; i = text.indexOf("\n", i + 1)) {
    line++;
    lineStart = i + 1;
  }
  let column = 1;
  for (const _ of text.slice(lineStart, at)) column++;
  return { line, column };
}

/** The language has it, Pintail does not offer it. */
export function notSupportedYet(feature: string): PintailError {
  return new PintailError("unsupported", `${feature} is not supported yet`);
}
