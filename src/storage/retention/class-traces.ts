import { PintailError } from "../../errors.ts";
import type { SegmentWithFilter } from "../../schema/segment-meta.ts";
import { hexToBytes } from "../../util/hex.ts";
import { mayContain } from "../segments/trace-filter.ts";
import type { RetentionClass } from "../settings.ts";

/**
 * Ids (32 hex digits) of all traces that match a TraceQL query, among those with spans in
 * `[startUnixNano, endUnixNano)`. Never some of them: it rejects when it cannot find all.
 */
export type MatchTraces = (
  tenant: string,
  query: string,
  range: { readonly startUnixNano: bigint; readonly endUnixNano: bigint },
  signal: AbortSignal,
) => Promise<Iterable<string>>;

/** A trace's other spans, which may be what matches, are mostly not much later. */
const MARGIN_NANOS = 300_000_000_000n;

/**
 * The segment's traces (and a few that it only seems to hold) by the first class that they match.
 * Rejects as `match` does.
 */
export async function tracesOfClasses(
  match: MatchTraces,
  segment: SegmentWithFilter,
  classes: readonly RetentionClass[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const range = {
    startUnixNano: segment.minTraceStart,
    endUnixNano: segment.maxEnd + MARGIN_NANOS,
  };
  const taken = new Set<string>();
  const byClass = new Map<string, Set<string>>();
  for (const { name, query } of classes) {
    const ids = new Set<string>();
    for (const id of await match(segment.tenant, query, range, signal)) {
      if (!/^[0-9a-f]{32}$/.test(id)) throw new PintailError("internal", "not a trace id");
      if (taken.has(id) || !mayContain(segment.traceFilter, hexToBytes(id))) continue;
      taken.add(id);
      ids.add(id);
    }
    byClass.set(name, new Set([...(byClass.get(name) ?? []), ...ids]));
  }
  return byClass;
}
