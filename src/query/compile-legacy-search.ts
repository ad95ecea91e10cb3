import { FALSE_EXPR, TRUE_EXPR } from "../traceql/ast.ts";
import { parseTagsParameter, tagsToExpr } from "../traceql/legacy-tags.ts";
import type { SearchTree } from "../traceql/plan/search-plan.ts";
import { compileFilters } from "./compile-search.ts";
import type { CompiledSearch, DurationBounds } from "./compiled-search.ts";

/**
 * The search of old clients: `tags` in logfmt, each of which some span of the trace must have, and
 * bounds on the trace's duration. `undefined` when nothing can match. Throws `invalid`.
 */
export function compileLegacySearch(
  tags: string,
  bounds: DurationBounds,
): CompiledSearch | undefined {
  const leaves = Object.entries(parseTagsParameter(tags)).map(([key, value]) =>
    tagsToExpr({ [key]: value }),
  );
  if (leaves.includes(FALSE_EXPR)) return undefined;
  const bounded = bounds.minNanos !== undefined || bounds.maxNanos !== undefined;
  return compileFilters({
    leaves: leaves.length === 0 ? [TRUE_EXPR] : leaves,
    tree: allOf(Math.max(1, leaves.length)),
    fields: [],
    wantsSpans: false,
    duration: bounded ? bounds : undefined,
  });
}

function allOf(leafCount: number): SearchTree {
  let tree: SearchTree = { type: "leaf", index: 0 };
  for (let index = 1; index < leafCount; index++) {
    tree = { type: "and", left: tree, right: { type: "leaf", index } };
  }
  return tree;
}
