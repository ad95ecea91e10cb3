import { FALSE_EXPR, TRUE_EXPR } from "../traceql/ast.ts";
import { parseTagsParameter, tagsToExpr } from "../traceql/legacy-tags.ts";
import { compilePipeline } from "./compile-search.ts";
import type { CompiledSearch, DurationBounds } from "./compiled-search.ts";
import { pipelineOfFilters } from "./pipeline-of-filters.ts";

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
  return compilePipeline({
    pipeline: pipelineOfFilters(leaves.length === 0 ? [TRUE_EXPR] : leaves),
    wantsSpans: false,
    duration: bounded ? bounds : undefined,
  });
}
