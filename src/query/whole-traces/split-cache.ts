import { type InUseOrder, UseOrder } from "../../util/use-order.ts";
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

interface Entry extends InUseOrder<Entry> {
  readonly first: string;
  readonly second: string;
  readonly traces: readonly SharedTrace[];
}

/** Some 10 MB for the pairs, 40 MB for the traces, when both are reached. */
const DEFAULT_LIMITS: SplitCacheLimits = { maxPairs: 50_000, maxTraces: 100_000 };

/**
 * Which traces pairs of segments have in common: files never change, so neither does that. What it
 * holds does not refer to the segments' descriptions, which are large.
 */
export class SplitCache {
  readonly #limits: SplitCacheLimits;
  /** By the ids of both: they are never used twice, so the tenants need not be named. */
  readonly #pairs = new Map<string, Map<string, Entry>>();
  readonly #order = new UseOrder<Entry>();
  #pairCount = 0;
  #traceCount = 0;

  constructor(limits: SplitCacheLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** `first` and `second` in the order that `set` was given them in. */
  get({ first, second }: NearPair): readonly SharedTrace[] | undefined {
    const entry = this.#pairs.get(first.id)?.get(second.id);
    if (entry === undefined) return undefined;
    this.#order.use(entry);
    const { traces } = entry;
    // It may have been put together before they were hidden.
    if (!hidesTraces(first) && !hidesTraces(second)) return traces;
    return traces.filter(({ traceId }) => !isHidden(first, traceId) && !isHidden(second, traceId));
  }

  set({ first, second }: NearPair, traces: readonly SharedTrace[]): void {
    const others = this.#pairs.get(first.id) ?? new Map<string, Entry>();
    const before = others.get(second.id);
    if (before !== undefined) this.#forget(before);
    const ids = { first: first.id, second: second.id };
    const entry: Entry = { ...ids, traces, earlier: undefined, later: undefined };
    this.#pairs.set(first.id, others.set(second.id, entry));
    this.#order.add(entry);
    this.#pairCount++;
    this.#traceCount += traces.length;
    const { maxPairs, maxTraces } = this.#limits;
    while (this.#pairCount > maxPairs || this.#traceCount > maxTraces) {
      const oldest = this.#order.first;
      if (oldest === undefined) return;
      this.#forget(oldest);
    }
  }

  #forget(entry: Entry): void {
    const others = this.#pairs.get(entry.first);
    others?.delete(entry.second);
    if (others?.size === 0) this.#pairs.delete(entry.first);
    this.#order.delete(entry);
    this.#pairCount--;
    this.#traceCount -= entry.traces.length;
  }
}

/** L0 segments are soon replaced, and small. */
export function isWorthKeeping({ first, second }: NearPair): boolean {
  return first.level > 0 && second.level > 0;
}

/** The one of all queries of a context. */
export const splitCacheOf = perContext(() => new SplitCache());
