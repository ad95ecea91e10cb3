import type { SegmentMeta } from "../../schema/segment-meta.ts";
import type { FieldRef } from "../../traceql/ast.ts";
import type { Pipeline } from "../../traceql/plan/pipeline.ts";
import { withParents } from "../../traceql/sql/parent-join.ts";
import type { SegmentShape } from "../../traceql/sql/segment-shape.ts";
import { readSegments } from "../segment-sql.ts";
import { overlaySlice } from "../whole-traces/open-overlay.ts";
import type { TraceOverlay } from "../whole-traces/trace-overlay.ts";
import type { Evaluation } from "./evaluation.ts";
import type { MetricsGrid } from "./grid.ts";
import { HITS, hitsSql } from "./pipeline-observations.ts";
import {
  conditionPossible,
  conditionSql,
  type PlainCondition,
  plainCondition,
} from "./plain-condition.ts";
import { groupByKey, type PreparedSegment, SegmentPreparer } from "./prepared-segments.ts";
import { latestStart, mayStartInGrid, overlapsGridSql } from "./segments-in-grid.ts";
import { needsWholeTraces } from "./whole-trace-need.ts";

/** Rows of one shape to take observations from. */
export type RowSource = {
  readonly segments: readonly SegmentMeta[];
  /**
   * Text that may follow FROM: stored columns of these of the segments. `whole`: also rows of traces
   * that no span of which starts in the grid, for segments where there are none.
   */
  from(segments: readonly SegmentMeta[], whole?: boolean): string;
  /** The condition on a row; of the grid it says nothing. */
  readonly where: string;
  readonly shape: SegmentShape;
};

/** Rows for one statement. */
export type RowSources = {
  /** A WITH clause that the sources need, or "". */
  readonly prelude: string;
  readonly sources: readonly RowSource[];
  /** No row that comes later starts after this; undefined when there are none. */
  readonly restUntil: bigint | undefined;
};

export type RowRequest = {
  readonly evaluation: Evaluation;
  readonly pipeline: Pipeline;
  /** What is read of the rows beside the pipeline. */
  readonly fields: readonly FieldRef[];
};

/**
 * Gives the observations of a pipeline to `visit`, newest segments first, in one or several sets:
 * those that may start in the grid, though the sources' rows may lie outside of it. What a span
 * gives by itself is read as it is stored; else whole traces are put together, all in one set.
 */
export async function visitRows(
  request: RowRequest,
  visit: (rows: RowSources) => Promise<void>,
): Promise<void> {
  const { evaluation, pipeline, fields } = request;
  if (pipeline.constantFalse || evaluation.grid.count === 0) return;
  const all = uniqueFields([...pipeline.fields, ...fields]);
  const preparer = new SegmentPreparer(pipeline.leaves, all);
  const condition = plainCondition(pipeline);
  if (condition !== undefined && !needsWholeTraces(pipeline.leaves, fields)) {
    await visitSpans(evaluation, preparer, condition, visit);
    return;
  }
  for (const tenant of evaluation.tenants) {
    await visitTraces({ evaluation, tenant, pipeline, preparer, condition, fields: all }, visit);
  }
}

function uniqueFields(fields: readonly FieldRef[]): FieldRef[] {
  return [...new Map(fields.map((field) => [JSON.stringify(field), field])).values()];
}

/** Files of one statement. */
const MAX_SLICE_SEGMENTS = 1000;

async function visitSpans(
  evaluation: Evaluation,
  preparer: SegmentPreparer,
  condition: PlainCondition,
  visit: (rows: RowSources) => Promise<void>,
): Promise<void> {
  const { run, grid, tenants, progress } = evaluation;
  const wanted: PreparedSegment[] = [];
  for (const tenant of tenants) {
    const known = run.segments(tenant);
    const inRange = known.filter((meta) => mayStartInGrid(meta, grid));
    const possible: PreparedSegment[] = [];
    await run.forEach(inRange, (meta) => {
      const segment = preparer.prepare(meta, true);
      if (conditionPossible(condition, (leaf) => segment.possible[leaf]!)) possible.push(segment);
    });
    progress.add(run, { tenant, known, inRange, possible: possible.map(({ meta }) => meta) });
    wanted.push(...possible);
  }
  wanted.sort((a, b) => compareStarts(latestStart(b.meta), latestStart(a.meta)));
  for (let at = 0, size = evaluation.onStep === undefined ? MAX_SLICE_SEGMENTS : 1; ; ) {
    const slice = wanted.slice(at, at + size);
    if (slice.length === 0) return;
    at += slice.length;
    size = Math.min(2 * size, MAX_SLICE_SEGMENTS);
    const next = wanted[at];
    const sources = groupByKey(slice).map(([first, ...others]) => {
      const { shape, conditions } = first!;
      const segments = [first!, ...others].map(({ meta }) => meta);
      const where = conditionSql(condition, (leaf) => conditions[leaf]!);
      const from = (some: readonly SegmentMeta[]): string => readSegments(run.context, some);
      return { segments, from, where, shape };
    });
    const restUntil = next === undefined ? undefined : latestStart(next.meta);
    await visit({ prelude: "", sources, restUntil });
    progress.addRead(slice.map(({ meta }) => meta));
  }
}

function compareStarts(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

type TraceRequest = {
  readonly evaluation: Evaluation;
  readonly tenant: string;
  readonly pipeline: Pipeline;
  readonly preparer: SegmentPreparer;
  readonly condition: PlainCondition | undefined;
  readonly fields: readonly FieldRef[];
};

async function visitTraces(
  request: TraceRequest,
  visit: (rows: RowSources) => Promise<void>,
): Promise<void> {
  const { evaluation, tenant, preparer } = request;
  const { run, grid, progress } = evaluation;
  const known = run.segments(tenant);
  const inRange = known.filter((meta) => mayStartInGrid(meta, grid));
  if (inRange.length === 0) return;
  const overlay = await overlaySlice(run, inRange, known);
  try {
    const segments: PreparedSegment[] = [];
    await run.forEach(overlay.segments, (meta) => {
      segments.push(preparer.prepare(meta, !overlay.isOverlaid(meta)));
    });
    const { condition, pipeline } = request;
    const possible = segments.filter((segment) =>
      condition === undefined
        ? pipeline.seeds.some((leaf) => segment.possible[leaf])
        : conditionPossible(condition, (leaf) => segment.possible[leaf]!),
    );
    const metas = possible.map(({ meta }) => meta);
    progress.add(run, { tenant, known, inRange, possible: metas });
    if (possible.length === 0) return;
    await visit({ ...traceSources(request, overlay, possible, grid), restUntil: undefined });
    progress.addRead(metas);
  } finally {
    await overlay[Symbol.asyncDispose]();
  }
}

function traceSources(
  { pipeline, condition, fields }: TraceRequest,
  overlay: TraceOverlay,
  possible: readonly PreparedSegment[],
  grid: MetricsGrid,
): Pick<RowSources, "prelude" | "sources"> {
  const groups = groupByKey(possible).map(([first, ...others]) => {
    const { shape, conditions } = first!;
    const segments = [first!, ...others].map(({ meta }) => meta);
    const rows = (some: readonly SegmentMeta[], whole = false): string =>
      whole
        ? overlay.from(some)
        : `(SELECT * FROM ${overlay.from(some)} WHERE ${overlapsGridSql(grid)})`;
    return { segments, shape, conditions, rows };
  });
  const parents = (rows: string, shape: SegmentShape) => withParents(rows, fields, shape);
  if (condition !== undefined) {
    const sources = groups.map(({ segments, shape, conditions, rows }) => ({
      segments,
      from: (some: readonly SegmentMeta[], whole?: boolean) => parents(rows(some, whole), shape),
      where: conditionSql(condition, (leaf) => conditions[leaf]!),
      shape,
    }));
    return { prelude: "", sources };
  }
  const sources = groups.map(({ segments, shape, rows }) => ({
    segments,
    from: (some: readonly SegmentMeta[], whole?: boolean) =>
      `(SELECT * FROM ${parents(rows(some, whole), shape)} SEMI JOIN ${HITS} USING (row_id))`,
    where: "TRUE",
    shape,
  }));
  const whole = groups.map((group) => ({ ...group, from: group.rows(group.segments) }));
  return { prelude: hitsSql(pipeline, whole, grid), sources };
}
