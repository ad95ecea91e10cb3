import type { SegmentMeta } from "../../schema/segment-meta.ts";
import type { QueryContext } from "../query-context.ts";
import type { KnownPart } from "./known-traces.ts";

/** A trace that two segments have in common, with its part in each. */
export type SharedTrace = {
  readonly traceId: string;
  readonly first: KnownPart;
  readonly second: KnownPart;
};

export type SplitCacheLimits = { readonly maxPairs: number; readonly maxTraces: number };

/** Some 10 MB for the pairs, 40 MB for the traces, when both are reached. */
const DEFAULT_LIMITS: SplitCacheLimits = { maxPairs: 50_000, maxTraces: 100_000 };

/** Which traces pairs of segments have in common: files never change, so neither does that. */
export class SplitCache {
  readonly #limits: SplitCacheLimits;
  /** Least recently used first. */
  readonly #pairs = new Map<string, readonly SharedTrace[]>();
  #traceCount = 0;

  constructor(limits: SplitCacheLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  get(a: SegmentMeta, b: SegmentMeta): readonly SharedTrace[] | undefined {
    const key = keyOf(a, b);
    const traces = this.#pairs.get(key);
    if (traces === undefined) return undefined;
    this.#pairs.delete(key);
    this.#pairs.set(key, traces);
    return traces;
  }

  set(a: SegmentMeta, b: SegmentMeta, traces: readonly SharedTrace[]): void {
    const key = keyOf(a, b);
    this.#forget(key);
    this.#pairs.set(key, traces);
    this.#traceCount += traces.length;
    const { maxPairs, maxTraces } = this.#limits;
    for (const oldest of this.#pairs.keys()) {
      if (this.#pairs.size <= maxPairs && this.#traceCount <= maxTraces) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    this.#traceCount -= this.#pairs.get(key)?.length ?? 0;
    this.#pairs.delete(key);
  }
}

/** L0 segments are soon replaced, and small. */
export function isWorthKeeping(a: SegmentMeta, b: SegmentMeta): boolean {
  return a.level > 0 && b.level > 0;
}

/** Ids are never used twice, so the tenants need not be named. */
function keyOf(a: SegmentMeta, b: SegmentMeta): string {
  return a.id < b.id ? `${a.id} ${b.id}` : `${b.id} ${a.id}`;
}

const caches = new WeakMap<QueryContext, SplitCache>();

/** The one of all queries of a context. */
export function splitCacheOf(context: QueryContext): SplitCache {
  let cache = caches.get(context);
  if (cache === undefined) {
    cache = new SplitCache();
    caches.set(context, cache);
  }
  return cache;
}
