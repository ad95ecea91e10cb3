import type { Pipeline } from "../../traceql/plan/pipeline.ts";
import { inParallel } from "../../util/in-parallel.ts";
import { collectSeries } from "./collect-series.ts";
import type { Evaluation } from "./evaluation.ts";
import { ExemplarPicker } from "./exemplar-picker.ts";
import { exemplarPart, type StatementPart, statementParts } from "./exemplar-segments.ts";
import { type FinishedSeries, finishSeries, NO_SERIES } from "./finish-series.ts";
import { firstFinalBucket } from "./grid.ts";
import { labelHashes } from "./label-hashes.ts";
import { observationStatement, type SeriesStage, stageFields } from "./observation-sql.ts";
import { visitRows } from "./row-sources.ts";
import { type PointMerge, SeriesTable } from "./series-table.ts";

/** The series of a query's first stage. */
export async function evaluateSeries(
  pipeline: Pipeline,
  stage: SeriesStage,
  evaluation: Evaluation,
): Promise<FinishedSeries> {
  const { grid, exemplarLimit, run } = evaluation;
  if (pipeline.constantFalse || grid.count === 0) return NO_SERIES;
  const table = new SeriesTable({
    bucketCount: grid.count,
    merge: mergeOf(stage),
    withCounts: stage.type === "metrics" && stage.fn === "avg_over_time",
  });
  const exemplars = exemplarLimit > 0 ? new ExemplarPicker(exemplarLimit, grid.count) : undefined;
  const finish = (): Promise<FinishedSeries> =>
    finishSeries(stage, grid, table, exemplars, (items, visit) => run.forEach(items, visit));
  const request = { evaluation, pipeline, fields: stageFields(stage), inSlices: true };
  const sink = { table, exemplars, budget: evaluation.budget };
  await visitRows(request, async (rows) => {
    const hashes = await labelHashes(run, stage.by, rows.sources);
    const collect = async (part: StatementPart, exemplarsOnly = false): Promise<void> => {
      const some = { ...rows, sources: part.sources };
      const statement = observationStatement(stage, grid, some, part.hasExemplar, hashes);
      if (statement !== undefined) await collectSeries(run, statement, sink, exemplarsOnly);
    };
    const parts = statementParts(rows.sources, grid, exemplars, stage.by.length > 0);
    // At once, since a statement over many files is planned by one thread, which takes a while.
    await inParallel(parts, parts.length, (part) => collect(part));
    const rest = exemplarPart(parts, grid, exemplars);
    if (rest !== undefined) await collect(rest, true);
    if (rows.restUntil === undefined) return;
    // Series that were dropped for want of room may be others in the end.
    const told = table.truncated ? undefined : finish;
    await evaluation.onStep?.(told, firstFinalBucket(grid, rows.restUntil));
  });
  return await finish();
}

function mergeOf(stage: SeriesStage): PointMerge {
  if (stage.type === "quantiles") return "sum";
  if (stage.fn === "min_over_time") return "min";
  return stage.fn === "max_over_time" ? "max" : "sum";
}
