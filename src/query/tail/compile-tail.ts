import { isPintailError, PintailError } from "../../errors.ts";
import type { FieldExpr, FieldRef, Query } from "../../traceql/ast.ts";
import { fieldText } from "../../traceql/field-text.ts";
import { parseQuery } from "../../traceql/parser.ts";
import { readsWholeTrace } from "../../traceql/plan/plan-pipeline.ts";
import { isRootTest } from "../../traceql/plan/root-test.ts";
import { foldField } from "../../traceql/walk.ts";
import { compileSearch } from "../compile-search.ts";
import type { CompiledSearch } from "../compiled-search.ts";

export type TailFilter = {
  /** Equal for filters that match and show the same. */
  readonly text: string;
  /** `undefined`: no span can match. */
  readonly search: CompiledSearch | undefined;
};

/**
 * The filter of a live tail: one `{…}`, perhaps with `select()`. Throws `invalid` for what is wrong
 * and for what cannot be told of one span alone.
 */
export function compileTail(text: string, maxQueryBytes: number): TailFilter {
  // First: it bounds the text, and its errors are those of a search.
  const search = compileSearch(text, maxQueryBytes);
  try {
    checkTail(parseQuery(text));
  } catch (error) {
    if (!isPintailError(error)) throw error;
    throw new PintailError("invalid", `invalid live tail query: ${error.message}`, {
      cause: error,
    });
  }
  return { text, search };
}

function checkTail({ stages: [first, ...rest], metrics, second }: Query): void {
  if (metrics !== undefined || second.length > 0) {
    throw new PintailError("invalid", "a live tail shows spans, not metrics");
  }
  if (first?.type !== "filter" || rest.some(({ type }) => type !== "select")) {
    throw new PintailError(
      "invalid",
      "a live tail looks at spans one by one: it takes one filter in braces, and select()",
    );
  }
  const selected = rest.flatMap((stage) => (stage.type === "select" ? stage.fields : []));
  const field = [...testedFields(first.expr), ...selected].find(readsWholeTrace);
  if (field !== undefined) {
    throw new PintailError(
      "invalid",
      `a live tail looks at spans one by one: ${fieldText(field)} needs the rest of the trace`,
    );
  }
}

/** Fields of the filter, without those in a test for a root span, which every span passes or fails. */
function testedFields(expr: FieldExpr): readonly FieldRef[] {
  return foldField<readonly FieldRef[]>(expr, (node, results) => {
    if (node.type === "field") return [node.field];
    return isRootTest(node) ? [] : results.flat();
  });
}
