import type { FieldExpr } from "../ast.ts";
import { MAX_FILTER_DEPTH } from "../check/field.ts";
import { foldConstants } from "../fold.ts";
import { TraceQLError } from "../traceql-error.ts";
import { fieldDepth } from "../walk.ts";
import { ExprCompiler } from "./expr-compiler.ts";
import type { SegmentShape } from "./segment-shape.ts";
import type { Sql } from "./sql.ts";

/**
 * A condition over one row of the stored form: true for the spans that the filter keeps, false or
 * NULL for all others. Columns are unqualified. It never fails at run time, whatever the data.
 *
 * `expr` must have passed the checker, and `shape` must know all its fields. The text is exactly
 * `FALSE` when no row of the segment can match.
 */
export function filterToSql(expr: FieldExpr, shape: SegmentShape): Sql {
  return new ExprCompiler(shape).filter(foldedToDepth(expr)).sql;
}

/** `expr` with its constants folded. Throws `TraceQLError` where it is deeper than SQL should be. */
export function foldedToDepth(expr: FieldExpr): FieldExpr {
  const folded = foldConstants(expr);
  const depth = fieldDepth(folded);
  if (depth > MAX_FILTER_DEPTH) {
    throw new TraceQLError(
      `expression nested too deeply: ${depth} levels, the limit is ${MAX_FILTER_DEPTH}`,
    );
  }
  return folded;
}
