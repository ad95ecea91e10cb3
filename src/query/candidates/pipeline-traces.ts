import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { pipelineToSql } from "../../traceql/sql/pipeline-to-sql.ts";
import { baseSpansSql, type SpanSource } from "../base-spans.ts";
import { leafNumbers } from "../compiled-search.ts";
import { prepareSegments } from "../prepare-segments.ts";
import { segmentsWithCopies } from "../segments-with-copies.ts";
import { countsSpans } from "../spanset-tree.ts";
import { segmentInside } from "../time-range.ts";
import { nearSegments } from "../whole-traces/border-zones.ts";
import { overlaySlice } from "../whole-traces/open-overlay.ts";
import type { OverlaySlice } from "../whole-traces/trace-overlay.ts";
import {
  type CandidateScan,
  type CandidateSource,
  endsAfterStartSql,
  startsBeforeEndSql,
} from "./candidate-scan.ts";
import { neededTraces } from "./needed-traces.ts";
import { newestSlices, type Slice, segmentsOfSlice, startsInSliceSql } from "./newest-slices.ts";
import { possibleSegments } from "./possible-segments.ts";
import { growthOf, SlicePages } from "./sliced-traces.ts";

/** Bounds what one statement holds of spans that match, whatever there is in all. */
const MAX_SLICE_ROWS = 2_000_000;

/**
 * Traces of which the search's pipeline leaves a spanset, slice by slice. Each trace is judged once,
 * as a whole, in the slice in which it starts.
 */
export async function* pipelineTraces(scan: CandidateScan): CandidateSource {
  const { run, search, range } = scan;
  const growth = growthOf(scan, MAX_SLICE_ROWS);
  const pages = new SlicePages(scan, growth);
  const distinct = countsSpans(search.pipeline.stages);
  // A trace may start in a segment that holds nothing for the pipeline.
  const near = nearSegments(scan.segments, scan.all);
  for (const slice of newestSlices(scan.segments, range, growth)) {
    const segments = segmentsOfSlice(scan.segments, slice);
    if (segments.length === 0) continue;
    const whole = await overlaySlice(run, segmentsOfSlice(near, slice), scan.all);
    try {
      const overlay = whole.sliced(segments);
      await prepareSegments(run, search, overlay.segments);
      await scan.probe(overlay.segments);
      const isPossible = possibleSegments(search, overlay.segments).length > 0;
      const copies =
        distinct && isPossible ? await segmentsWithCopies(run, overlay.segments) : NO_SEGMENTS;
      const sources = isPossible
        ? await neededTraces(scan, sourcesOf(scan, { slice, overlay, copies }))
        : [];
      if (sources.length > 0) scan.onRead(segments);
      yield* pages.of(slice, (limit) => pipelineTracesSql(scan, sources, limit));
    } finally {
      await whole[Symbol.asyncDispose]();
    }
  }
}

const NO_SEGMENTS: ReadonlySet<SegmentSummary> = new Set();

type SliceSource = {
  readonly slice: Slice;
  readonly overlay: OverlaySlice;
  /** Segments whose spans may be there twice where that matters. */
  readonly copies: ReadonlySet<SegmentSummary>;
};

/** `undefined`: no span can come into the pipeline. */
function pipelineTracesSql(
  scan: CandidateScan,
  sources: readonly SpanSource[],
  traceLimit: number,
): string | undefined {
  if (sources.length === 0) return undefined;
  const { ctes, relation, baseReads } = pipelineToSql(scan.search.pipeline, "spans", {
    output: "traces",
    carry: ["trace_start"],
  });
  const base = baseSpansSql(scan.search, sources, {
    columns: ["trace_start"],
    echo: false,
  });
  return `WITH spans AS ${baseReads > 1 ? "" : "NOT"} MATERIALIZED (${base}), ${ctes}
    SELECT trace_id, epoch_ns(any_value(trace_start)) AS trace_begin
    FROM ${relation} GROUP BY trace_id ORDER BY trace_begin DESC, trace_id LIMIT ${traceLimit}`;
}

function sourcesOf(scan: CandidateScan, { slice, overlay, copies }: SliceSource): SpanSource[] {
  const { range, search } = scan;
  const inSlice = startsInSliceSql(slice);
  return groupsOf(scan, overlay, copies).map(({ segments, mayMatch, inside, hasCopies }) => {
    const conditions = [...inSlice];
    if (!inside && range !== undefined)
      conditions.push(startsBeforeEndSql(range), endsAfterStartSql(range));
    const rows = overlay.from(segments);
    const where = conditions.length === 0 ? undefined : conditions.join(" AND ");
    return {
      from: hasCopies ? distinctSpansSql(rows, where) : rows,
      where: hasCopies ? undefined : where,
      columns: {},
      shape: search.shape(segments[0]!),
      mayMatch: (leaf) => mayMatch[leaf] ?? false,
    };
  });
}

type Group = {
  readonly segments: SegmentSummary[];
  readonly mayMatch: readonly boolean[];
  readonly inside: boolean;
  readonly hasCopies: boolean;
};

/**
 * Segments that one SELECT can read; none of those where no span can come into the pipeline, unless
 * they may hold the parent of one that lies elsewhere.
 */
function groupsOf(
  { search, range }: CandidateScan,
  overlay: OverlaySlice,
  copies: ReadonlySet<SegmentSummary>,
): Group[] {
  const hasParents = search.pipeline.fields.some(({ type }) => type === "parent-attribute");
  const groups = new Map<string, Group>();
  for (const meta of overlay.segments) {
    const overlaid = overlay.isOverlaid(meta);
    const mayMatch = leafNumbers(search).map((leaf) =>
      overlaid ? search.mayMatchWhole(leaf, meta) : search.mayMatch(leaf, meta),
    );
    const isEntered = search.pipeline.seeds.some((leaf) => mayMatch[leaf]);
    if (!isEntered && !(overlaid && hasParents)) continue;
    const inside = !overlaid && segmentInside(meta, range);
    const hasCopies = copies.has(meta);
    const key = JSON.stringify([search.shape(meta).key, mayMatch, inside, hasCopies]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { segments: [meta], mayMatch, inside, hasCopies });
    else group.segments.push(meta);
  }
  return [...groups.values()];
}

/** In the order in which the spans of an answer are chosen. */
function distinctSpansSql(from: string, where = "true"): string {
  return `(SELECT * FROM ${from} WHERE ${where} QUALIFY row_number() OVER (PARTITION BY trace_id, span_id, kind
    ORDER BY start_time, duration_ns, name, nested_left, row_id) = 1)`;
}
