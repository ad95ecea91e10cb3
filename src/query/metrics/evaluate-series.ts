import type { Pipeline } from "../../traceql/plan/pipeline.ts";
import { collectSeries } from "./collect-series.ts";
import type { Evaluation } from "./evaluation.ts";
import { ExemplarPicker } from "./exemplar-picker.ts";
import { statementParts } from "./exemplar-segments.ts";
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
  const request = { evaluation, pipeline, fields: stageFields(stage) };
  await visitRows(request, async (rows) => {
    const hashes = await labelHashes(run, stage.by, rows.sources);
    for (const { sources, hasExemplar } of statementParts(
      rows.sources,
      grid,
      exemplars,
      stage.by.length > 0,
    )) {
      const some = { ...rows, sources };
      const statement = observationStatement(stage, grid, some, hasExemplar, hashes);
      if (statement === undefined) continue;
      await collectSeries(run, statement, table, exemplars, evaluation.budget);
    }
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
