import type { CandidateSource } from "./candidates/candidate-scan.ts";
import type { FoundTrace } from "./search-result.ts";
import { compareTraces, earlierOf, type TraceKey } from "./trace-key.ts";

/** Traces judged at once: their ids become part of a statement's text. */
const JUDGE_BATCH = 4000;
const MIN_JUDGED = 16;

/** Those of the traces that belong to the answer, looked at as whole traces. */
export type Judge = (keys: readonly TraceKey[]) => Promise<readonly FoundTrace[]>;

/**
 * The first `limit` traces of the order, as soon as nothing can come before or between them any more.
 * A candidate whose other parts start earlier moves back, one that the judge leaves out is dropped,
 * and then the next are looked at. Gives an empty list now and then, when the search went on without
 * a decision. Those that come first are judged at once where somebody waits for them (`early`), else
 * when there are enough: each time costs statements of its own.
 */
export async function* newestTraces(
  candidates: CandidateSource,
  { limit, early }: { readonly limit: number; readonly early: boolean },
  judge: Judge,
): AsyncGenerator<readonly FoundTrace[], void, void> {
  const seen = new Set<string>();
  const accepted = new Accepted(limit);
  let pending: TraceKey[] = [];
  for await (const { found, boundary } of candidates) {
    for (const key of latestOfEach(found)) {
      if (seen.has(key.traceId)) continue;
      seen.add(key.traceId);
      pending.push(key);
    }
    pending.sort(compareTraces);
    // However these are judged, more have to be found.
    if (!early && boundary && countBefore(pending, boundary) < accepted.missing) {
      yield [];
      continue;
    }
    let at = 0;
    for (;;) {
      const first = pending[at];
      // All that is not accepted yet comes after this.
      const decided = accepted.takeBefore(earlierOf(first, boundary));
      if (decided.length > 0) yield decided;
      if (accepted.wanted === 0) return;
      // Beyond the boundary other traces may come in between: read on before deciding.
      if (first === undefined || (boundary && compareTraces(boundary, first) < 0)) break;
      const size = Math.min(JUDGE_BATCH, Math.max(accepted.missing, MIN_JUDGED));
      const batch = pending.slice(at, at + size);
      at += batch.length;
      accepted.add(await judge(batch));
    }
    pending = pending.slice(at);
    yield [];
  }
  yield accepted.takeBefore(undefined);
}

/** How many of the sorted keys nothing can come before that was not found yet. */
function countBefore(sorted: readonly TraceKey[], boundary: TraceKey): number {
  const end = sorted.findIndex((key) => compareTraces(boundary, key) < 0);
  return end < 0 ? sorted.length : end;
}

/** Traces that belong to the answer unless `limit` others come before them. */
class Accepted {
  #traces: FoundTrace[] = [];
  /** Of the limit, what was not taken yet. */
  wanted: number;

  constructor(limit: number) {
    this.wanted = limit;
  }

  /** How many more it takes to fill the answer. */
  get missing(): number {
    return this.wanted - this.#traces.length;
  }

  add(traces: readonly FoundTrace[]): void {
    this.#traces.push(...traces);
    this.#traces.sort(compareTraces);
  }

  /** In their order; `undefined` comes after all. */
  takeBefore(next: TraceKey | undefined): FoundTrace[] {
    const isBefore = (trace: FoundTrace) => next === undefined || compareTraces(trace, next) <= 0;
    const end = this.#traces.findIndex((trace) => !isBefore(trace));
    const before = this.#traces.slice(0, end < 0 ? this.#traces.length : end);
    const taken = before.slice(0, this.wanted);
    this.#traces = this.#traces.slice(before.length);
    this.wanted -= taken.length;
    return taken;
  }
}

/** The rows of a trace may come from several segments with several starts: its latest counts. */
function latestOfEach(keys: readonly TraceKey[]): TraceKey[] {
  const latest = new Map<string, TraceKey>();
  for (const key of keys) {
    const known = latest.get(key.traceId);
    if (known === undefined || compareTraces(key, known) < 0) latest.set(key.traceId, key);
  }
  return [...latest.values()];
}
