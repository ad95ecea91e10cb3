import { treeOfFilters } from "../spanset-tree.ts";
import type { CandidateScan, CandidateSource } from "./candidate-scan.ts";
import { groupedTracesSql } from "./grouped-traces.ts";
import { newestRows } from "./newest-rows.ts";
import { pipelineTraces } from "./pipeline-traces.ts";
import { cumulativeSlices } from "./sliced-traces.ts";

/** Traces that may belong to the answer, by the cheapest way that the search allows. */
export async function* findCandidates(scan: CandidateScan): CandidateSource {
  const tree = treeOfFilters(scan.search.pipeline);
  if (tree === undefined) {
    yield* pipelineTraces(scan);
    return;
  }
  if (tree.type === "leaf" && scan.search.duration === undefined) {
    const done = yield* newestRows(scan);
    if (done) return;
  }
  yield* cumulativeSlices(scan, (slice, segments, limit) =>
    groupedTracesSql(scan, tree, slice, segments, limit),
  );
}
