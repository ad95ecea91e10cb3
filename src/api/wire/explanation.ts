import type { QueryRecorder, RecordedSegments } from "../../query/query-recorder.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";

/** What a query did, for people and tools; the JSON of `explain=true`. */
export type Explanation = {
  readonly query: string;
  /** Indented lines. */
  readonly plan: readonly string[];
  readonly segments: readonly ExplainedSegments[];
  readonly statements: readonly ExplainedStatement[];
  /** All of them, also those left out above. */
  readonly statementCount: number;
  /** The whole query in the engine, waiting for its turn included. */
  readonly durationMs: number;
  readonly answer: Readonly<Record<string, number>>;
};

export type ExplainedSegments = {
  readonly tenant: string;
  readonly known: number;
  readonly outOfRange: number;
  /** Cannot hold a match, as far as the catalog tells. */
  readonly pruned: number;
  /** Cannot hold a match, as their bloom filters and bounds tell. */
  readonly filtered: number;
  readonly read: number;
  /** Hold only traces older than were needed. */
  readonly notNeeded: number;
  readonly rowsRead: number;
  readonly bytesRead: number;
  /** Newest first; those read come before the others. */
  readonly list: readonly ExplainedSegment[];
};

export type SegmentFate = "read" | "not needed" | "filtered" | "pruned" | "out of range";

export type ExplainedSegment = {
  readonly id: string;
  readonly fate: SegmentFate;
  readonly level: number;
  readonly rows: number;
  readonly bytes: number;
  readonly traceStartsFrom: string;
  readonly traceStartsTo: string;
};

export type ExplainedStatement = {
  readonly durationMs: number;
  readonly rows: number;
  readonly sql: string;
  readonly error?: string | undefined;
};

const MAX_LISTED_SEGMENTS = 1000;

export function explain(
  query: string,
  plan: readonly string[],
  recorder: QueryRecorder,
  durationMs: number,
  answer: Readonly<Record<string, number>>,
): Explanation {
  return {
    query,
    plan,
    segments: recorder.segments.map(segmentsOf),
    statements: recorder.statements.map(({ durationMs: took, rowCount, sql, error }) => ({
      durationMs: rounded(took),
      rows: rowCount,
      sql,
      error,
    })),
    statementCount: recorder.statementCount,
    durationMs: rounded(durationMs),
    answer,
  };
}

const FATES: readonly SegmentFate[] = ["read", "not needed", "filtered", "pruned", "out of range"];

function segmentsOf({ tenant, known, inRange, possible, ruledOut, read }: RecordedSegments) {
  const [inRangeSet, possibleSet, readSet] = [new Set(inRange), new Set(possible), new Set(read)];
  const filteredSet = new Set(ruledOut);
  const fateOf = (meta: SegmentSummary): SegmentFate => {
    if (readSet.has(meta)) return "read";
    if (filteredSet.has(meta)) return "filtered";
    if (possibleSet.has(meta)) return "not needed";
    return inRangeSet.has(meta) ? "pruned" : "out of range";
  };
  const byFate = new Map(FATES.map((fate) => [fate, known.filter((m) => fateOf(m) === fate)]));
  const ofFate = (fate: SegmentFate) => byFate.get(fate) ?? [];
  const list = FATES.flatMap((fate) => ofFate(fate).map((meta) => segmentOf(meta, fate)));
  return {
    tenant,
    known: known.length,
    outOfRange: ofFate("out of range").length,
    pruned: ofFate("pruned").length,
    filtered: ofFate("filtered").length,
    read: ofFate("read").length,
    notNeeded: ofFate("not needed").length,
    rowsRead: ofFate("read").reduce((sum, meta) => sum + meta.rowCount, 0),
    bytesRead: ofFate("read").reduce((sum, meta) => sum + meta.byteSize, 0),
    list: list.slice(0, MAX_LISTED_SEGMENTS),
  };
}

function segmentOf(meta: SegmentSummary, fate: SegmentFate): ExplainedSegment {
  return {
    id: meta.id,
    fate,
    level: meta.level,
    rows: meta.rowCount,
    bytes: meta.byteSize,
    traceStartsFrom: isoTime(meta.minTraceStart),
    traceStartsTo: isoTime(meta.maxTraceStart),
  };
}

function isoTime(unixNano: bigint): string {
  return new Date(Number(unixNano / 1_000_000n)).toISOString();
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
