import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { hidesTraces, isHidden } from "../hidden-traces.ts";
import { perContext } from "../per-context.ts";
import type { NearPair } from "./border-zones.ts";
import type { PartTimes } from "./known-traces.ts";

/** A trace that two segments have in common, and where its part lies in each. */
export type SharedTrace = {
  readonly traceId: string;
  readonly inFirst: PartTimes;
  readonly inSecond: PartTimes;
};

export type SplitCacheLimits = { readonly maxPairs: number; readonly maxTraces: number };

/** Some 10 MB for the pairs, 40 MB for the traces, when both are reached. */
const DEFAULT_LIMITS: SplitCacheLimits = { maxPairs: 50_000, maxTraces: 100_000 };

/**
 * Which traces pairs of segments have in common: files never change, so neither does that. What it
 * holds does not refer to the segments' descriptions, which are large.
 */
export class SplitCache {
  readonly #limits: SplitCacheLimits;
  /** Least recently used first. */
  readonly #pairs = new Map<string, readonly SharedTrace[]>();
  #traceCount = 0;

  constructor(limits: SplitCacheLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** `first` and `second` in the order that `set` was given them in. */
  get({ first, second }: NearPair): readonly SharedTrace[] | undefined {
    const key = keyOf(first, second);
    const traces = this.#pairs.get(key);
    if (traces === undefined) return undefined;
    this.#pairs.delete(key);
    this.#pairs.set(key, traces);
    // It may have been put together before they were hidden.
    if (!hidesTraces(first) && !hidesTraces(second)) return traces;
    return traces.filter(({ traceId }) => !isHidden(first, traceId) && !isHidden(second, traceId));
  }

  set({ first, second }: NearPair, traces: readonly SharedTrace[]): void {
    const key = keyOf(first, second);
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
export function isWorthKeeping({ first, second }: NearPair): boolean {
  return first.level > 0 && second.level > 0;
}

/** Ids are never used twice, so the tenants need not be named. */
function keyOf(first: SegmentSummary, second: SegmentSummary): string {
  return `${first.id} ${second.id}`;
}

/** The one of all queries of a context. */
export const splitCacheOf = perContext(() => new SplitCache());
