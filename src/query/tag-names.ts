import type { SegmentSummary } from "../schema/segment-meta.ts";
import { hidesTraces } from "./hidden-traces.ts";
import { addNamesOfSpans } from "./names-of-spans.ts";
import { prepareSegments } from "./prepare-segments.ts";
import type { QueryEngine } from "./query-context.ts";
import type { TagFilter } from "./tag-filter.ts";
import type { TagScope } from "./tag-scopes.ts";
import { ByteBudget, inspect, type TagStats } from "./tag-stats.ts";
import { segmentsOverlapping, type TimeRange } from "./time-range.ts";

export type TagNamesRequest = {
  readonly tenants: readonly string[];
  readonly scopes: readonly TagScope[];
  readonly filter: TagFilter | undefined;
  readonly range: TimeRange | undefined;
  /** Names of each scope; 0 = all. */
  readonly limitPerScope: number;
  /** Of all names together; 0 = off. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
};

export type TagNamesResult = {
  /** Sorted names of each scope that has any. */
  readonly names: ReadonlyMap<TagScope, readonly string[]>;
  readonly stats: TagStats;
};

/** Without a filter this reads the catalog only; with one, and of segments that hide traces, as many spans as it takes. */
export function tagNames(engine: QueryEngine, request: TagNamesRequest): Promise<TagNamesResult> {
  const { tenants, signal } = request;
  const timeoutMs = engine.context.settings.searchTimeoutMs;
  return engine.run({ tenants, signal, timeoutMs }, async (run) => {
    const found = new Map<TagScope, Set<string>>(request.scopes.map((scope) => [scope, new Set()]));
    const segments = tenants.flatMap((tenant) =>
      segmentsOverlapping(run.segments(tenant), request.range),
    );
    const { filter } = request;
    let inspected: readonly SegmentSummary[];
    if (filter === undefined) {
      const names: ReadonlyMap<string, Set<string>> = found;
      const sure = segments.filter((meta) => !hidesTraces(meta));
      await run.withKeys(oneOfEach(sure), ({ keys }) => {
        for (const { scope, key } of keys) names.get(scope)?.add(key);
      });
      inspected = await addNamesOfSpans(run, segments.filter(hidesTraces), undefined, found);
    } else {
      await prepareSegments(run, filter, segments);
      inspected = await addNamesOfSpans(run, segments, filter, found);
    }
    return { names: cut(found, request), stats: inspect(segments, inspected) };
  });
}

/** Of segments that are known to have the same keys the first. */
function oneOfEach(segments: readonly SegmentSummary[]): SegmentSummary[] {
  const seen = new Set<object>();
  return segments.filter(({ sameKeys }) => {
    if (sameKeys === undefined) return true;
    if (seen.has(sameKeys)) return false;
    seen.add(sameKeys);
    return true;
  });
}

function cut(
  found: ReadonlyMap<TagScope, ReadonlySet<string>>,
  request: TagNamesRequest,
): Map<TagScope, readonly string[]> {
  const budget = new ByteBudget(request.maxBytes);
  const result = new Map<TagScope, readonly string[]>();
  for (const [scope, names] of found) {
    const sorted = [...names].sort();
    const limited = request.limitPerScope > 0 ? sorted.slice(0, request.limitPerScope) : sorted;
    const kept = limited.filter((name) => budget.take(name));
    if (kept.length > 0) result.set(scope, kept);
  }
  return result;
}
