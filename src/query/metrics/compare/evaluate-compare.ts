import { TIME_MAX_UNIX_NANO } from "../../../schema/columns.ts";
import type { FieldRef, MetricsStage } from "../../../traceql/ast.ts";
import { foldConstants } from "../../../traceql/fold.ts";
import type { Pipeline } from "../../../traceql/plan/pipeline.ts";
import { listOfField } from "../../../traceql/sql/field-value.ts";
import { filterToSql } from "../../../traceql/sql/filter.ts";
import { fieldsOf } from "../../../traceql/walk.ts";
import { maxOf, minOf } from "../../bigint-bounds.ts";
import { timestampSql } from "../../segment-sql.ts";
import type { Evaluation } from "../evaluation.ts";
import { type FinishedSeries, NO_SERIES } from "../finish-series.ts";
import { type RowSource, type RowSources, visitRows } from "../row-sources.ts";
import { OF_TRACE } from "./compare-attributes.ts";
import { countAttributes } from "./count-attributes.ts";
import { withKeptHits } from "./kept-hits.ts";
import { ValueCounts } from "./value-counts.ts";

type CompareStage = MetricsStage & { type: "compare" };

const DEFAULT_TOP_N = 10n;
/** More values of each attribute than any answer has room for. */
const MAX_TOP_N = 20_000n;

/**
 * The series of compare(): for each attribute and each of both groups the most frequent values, and
 * how many spans have the attribute at all. Counts are exact. Which of thousands of values are the
 * most frequent is found out from the newest quarter million spans that have the attribute.
 */
export async function evaluateCompare(
  pipeline: Pipeline,
  stage: CompareStage,
  evaluation: Evaluation,
): Promise<FinishedSeries> {
  const { grid } = evaluation;
  if (pipeline.constantFalse || grid.count === 0) return NO_SERIES;
  const selection = foldConstants(stage.selection);
  const topN = Number(minOf(stage.topN ?? DEFAULT_TOP_N, MAX_TOP_N));
  const used = fieldsOf(selection);
  const listFields = [...pipeline.fields, ...used].filter((field) => listOfField(field));
  const ofTrace = Array.from(OF_TRACE, (name): FieldRef => ({ type: "intrinsic", name }));
  const fields = [...used, ...ofTrace];
  const counts = new ValueCounts(grid.count);
  await visitRows({ evaluation, pipeline, fields, inSlices: false }, async (given: RowSources) => {
    const selectionOf = (source: RowSource): string =>
      `((${filterToSql(selection, source.shape).text}) AND ${windowSql(stage)})`;
    await withKeptHits(evaluation.run, given, async (rows) => {
      const request = { evaluation, rows, selectionOf, listFields: unique(listFields), topN };
      await countAttributes(request, counts);
    });
    if (given.restUntil !== undefined) await evaluation.onStep?.(undefined, grid.count);
  });
  return counts.finish(topN);
}

function unique(fields: readonly FieldRef[]): FieldRef[] {
  return [...new Map(fields.map((field) => [JSON.stringify(field), field])).values()];
}

function windowSql({ window }: CompareStage): string {
  if (window === undefined) return "TRUE";
  const at = (unixNano: bigint) => timestampSql(minOf(maxOf(unixNano, 0n), TIME_MAX_UNIX_NANO));
  return `start_time > ${at(window.start)} AND start_time <= ${at(window.end)}`;
}
