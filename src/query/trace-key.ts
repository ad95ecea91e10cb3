/** Where a trace stands in a search's order: newest start first, ties by trace id. */
export type TraceKey = { readonly traceId: string; readonly startUnixNano: bigint };

/** Negative when `a` comes before `b`. */
export function compareTraces(a: TraceKey, b: TraceKey): number {
  if (a.startUnixNano !== b.startUnixNano) return a.startUnixNano > b.startUnixNano ? -1 : 1;
  return a.traceId < b.traceId ? -1 : a.traceId > b.traceId ? 1 : 0;
}

/** The one that comes first; `undefined` comes after everything. */
export function earlierOf(a: TraceKey | undefined, b: TraceKey | undefined): TraceKey | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareTraces(a, b) <= 0 ? a : b;
}
