import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { endOfSegment } from "../../storage/catalog/time-index.ts";
import type { FieldRef } from "../../traceql/ast.ts";
import type { Pipeline } from "../../traceql/plan/pipeline.ts";
import { withParents } from "../../traceql/sql/parent-join.ts";
import type { SegmentShape } from "../../traceql/sql/segment-shape.ts";
import { maxOf } from "../bigint-bounds.ts";
import { BySegment } from "../by-segment.ts";
import {
  newestSlices,
  type Slice,
  segmentsOfSlice,
  startsInSliceSql,
} from "../candidates/newest-slices.ts";
import { SliceGrowth } from "../candidates/slice-growth.ts";
import type { LeafNeeds } from "../compiled-search.ts";
import { joinedRows } from "../joined-rows.ts";
import type { QueryRun } from "../query-context.ts";
import { forEachWithFacts } from "../segment-facts.ts";
import { SegmentProbe } from "../segment-probe.ts";
import { readSegments } from "../segment-sql.ts";
import { maySatisfy } from "../spanset-tree.ts";
import { overlaySlice } from "../whole-traces/open-overlay.ts";
import { splitTriplesOf } from "../whole-traces/split-triples.ts";
import type { OverlaySlice, TraceOverlay } from "../whole-traces/trace-overlay.ts";
import type { Evaluation } from "./evaluation.ts";
import { HITS, hitsSql, type TraceRows } from "./pipeline-observations.ts";
import {
  conditionPossible,
  conditionSql,
  EVERY_SPAN_SQL,
  type PlainCondition,
  plainCondition,
} from "./plain-condition.ts";
import {
  groupByKey,
  type Prepared,
  type PreparedSegment,
  RuledOutLeaves,
  SegmentPreparer,
} from "./prepared-segments.ts";
import { overlapsGridSql, segmentsInGrid } from "./segments-in-grid.ts";
import { wholeTraceNeed } from "./whole-trace-need.ts";

/** Rows of one shape to take observations from. */
export type RowSource = {
  readonly segments: readonly SegmentSummary[];
  /**
   * Text that may follow FROM: stored columns of these of the segments. `whole`: also rows of traces
   * that no span of which starts in the grid, for segments where there are none.
   */
  from(segments: readonly SegmentSummary[], whole?: boolean): string;
  /** Whether the rows are the segments' own, so that what is known of the segments holds for them. */
  readonly isStored: boolean;
  /** The condition on a row; of the grid it says nothing. */
  readonly where: string;
  readonly shape: SegmentShape;
  /** Where rows have a `row_id`: what it begins with. */
  readonly numbering?: RowNumbering | undefined;
  /** Whether all rows that are stored in its segments are among them, where none are overlaid or hidden. */
  readonly isComplete?: boolean | undefined;
};

/** What tells where the rows of whole traces are stored. */
export type RowNumbering = Pick<OverlaySlice, "numberOf" | "isOverlaid">;

/** Rows for one statement. */
export type RowSources = {
  /** A WITH clause that the sources need, or "". */
  readonly prelude: string;
  /** Where the prelude runs a whole pipeline. */
  readonly hits?: PipelineHits | undefined;
  readonly sources: readonly RowSource[];
  /** No row that comes later starts after this; undefined when there are none. */
  readonly restUntil: bigint | undefined;
};

/** For those who need several statements: the pipeline's outcome kept in a table. */
export type PipelineHits = {
  /** Gives what is to be kept. */
  readonly select: string;
  /** The clause that takes the place of the prelude. */
  preludeOver(table: string): string;
};

export type RowRequest = {
  readonly evaluation: Evaluation;
  readonly pipeline: Pipeline;
  /** What is read of the rows beside the pipeline. */
  readonly fields: readonly FieldRef[];
  /** Whole traces may come in several sets too, each trace in one. */
  readonly inSlices: boolean;
};

/**
 * Gives the observations of a pipeline to `visit`, newest segments first, in one or several sets:
 * those that may start in the grid, though the sources' rows may lie outside of it. What a span
 * gives by itself is read as it is stored; else whole traces are put together.
 */
export async function visitRows(
  request: RowRequest,
  visit: (rows: RowSources) => Promise<void>,
): Promise<void> {
  const { evaluation, pipeline, fields, inSlices } = request;
  if (pipeline.constantFalse || evaluation.grid.count === 0) return;
  const all = uniqueFields([...pipeline.fields, ...fields]);
  const preparer = new SegmentPreparer(pipeline.leaves, all);
  const condition = plainCondition(pipeline);
  if (condition !== undefined && (await isToldBySpans(request))) {
    await visitSpans(evaluation, preparer, condition, visit);
    return;
  }
  const last = evaluation.tenants.at(-1);
  for (const tenant of evaluation.tenants) {
    const shown = condition === undefined ? fields : all;
    const ofTraces = { evaluation, tenant, pipeline, preparer, condition, fields: all, shown };
    await visitTraces({ ...ofTraces, inSlices, isLast: tenant === last }, visit);
  }
}

/** Whether a span as it is stored tells if it matches, and what it shows. */
async function isToldBySpans({ evaluation, pipeline, fields }: RowRequest): Promise<boolean> {
  const need = wholeTraceNeed(pipeline.leaves, fields);
  if (need !== "roots") return need === "nothing";
  const { run, grid, tenants } = evaluation;
  const triples = splitTriplesOf(run.context);
  for (const tenant of tenants) {
    const known = run.segments(tenant);
    if (await triples.areIn(run, segmentsInGrid(known, grid), known)) return false;
  }
  return true;
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
    const inRange = segmentsInGrid(known, grid);
    const possible: PreparedSegment[] = [];
    await forEachWithFacts(run, preparer.names, inRange, (meta, facts) => {
      const segment = preparer.prepare(meta, facts, true);
      if (mayHold(condition, segment.prepared)) possible.push(segment);
    });
    const open = await probed(run, possible, (prepared) => mayHold(condition, prepared));
    progress.add(run, { tenant, known, inRange, possible, open });
    wanted.push(...open);
  }
  wanted.sort((a, b) => compareStarts(endOfSegment(b.meta), endOfSegment(a.meta)));
  for (let at = 0, size = evaluation.onStep === undefined ? MAX_SLICE_SEGMENTS : 1; ; ) {
    const slice = wanted.slice(at, at + size);
    if (slice.length === 0) return;
    at += slice.length;
    size = Math.min(2 * size, MAX_SLICE_SEGMENTS);
    const next = wanted[at];
    const sources = groupByKey(slice).map(({ segments, prepared: { shape, conditions } }) => {
      const where = conditionSql(condition, (leaf) => conditions[leaf]!);
      const from = (some: readonly SegmentSummary[]): string => readSegments(run.context, some);
      return { segments, isStored: true, from, where, shape };
    });
    const restUntil = next === undefined ? undefined : endOfSegment(next.meta);
    await visit({ prelude: "", sources, restUntil });
    progress.addRead(slice.map(({ meta }) => meta));
  }
}

function mayHold(condition: PlainCondition, { possible }: Prepared): boolean {
  return conditionPossible(condition, (leaf) => possible[leaf]!);
}

/** Those of the segments that are still possible once their filters were asked. */
async function probed(
  run: QueryRun,
  segments: readonly PreparedSegment[],
  isPossible: (prepared: Prepared) => boolean,
): Promise<PreparedSegment[]> {
  const needs = new BySegment<LeafNeeds>();
  for (const { meta, prepared } of segments) needs.set(meta, prepared.needs);
  const probe = new SegmentProbe(run, (meta) => needs.get(meta) ?? []);
  await probe.askWhileWorthIt(segments.map(({ meta }) => meta));
  const leaves = new RuledOutLeaves();
  const left: PreparedSegment[] = [];
  for (const { meta, prepared: before } of segments) {
    const prepared = leaves.without(before, probe.ruledOut(meta));
    if (isPossible(prepared)) left.push({ meta, prepared });
  }
  return left;
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
  /** Those of them that the sources' rows are asked for; a pipeline reads its own before. */
  readonly shown: readonly FieldRef[];
  readonly inSlices: boolean;
  /** No other tenant's rows come after these. */
  readonly isLast: boolean;
};

/** As if spans of any time came later. */
const ANY_TIME = 2n ** 64n;
/** Where somebody waits for the first of several sets of whole traces, it has this part of the rows. */
const FIRST_SHARE = 1 / 4;

async function visitTraces(
  request: TraceRequest,
  visit: (rows: RowSources) => Promise<void>,
): Promise<void> {
  const { evaluation, tenant, preparer } = request;
  const { run, grid, progress } = evaluation;
  const known = run.segments(tenant);
  const inRange = segmentsInGrid(known, grid);
  if (inRange.length === 0) return;
  const overlay = await overlaySlice(run, inRange, known);
  try {
    const segments: PreparedSegment[] = [];
    await forEachWithFacts(run, preparer.names, overlay.segments, (meta, facts) => {
      segments.push(preparer.prepare(meta, facts, !overlay.isOverlaid(meta)));
    });
    const { condition, pipeline, fields } = request;
    const mayCount = (prepared: Prepared): boolean => {
      // Where nothing matches may still be parents of what does.
      if (fields.some(isOfParent)) return true;
      if (condition !== undefined) return mayHold(condition, prepared);
      return pipeline.seeds.some((leaf) => prepared.possible[leaf]);
    };
    const possible = segments.filter(({ prepared }) => mayCount(prepared));
    const left = await probed(run, possible, mayCount);
    const somewhere = (leaf: number) => left.some(({ prepared }) => prepared.possible[leaf]);
    // What a segment holds says nothing of parents that lie elsewhere.
    const isPossible = fields.some(isOfParent) || maySatisfy(pipeline.stages, somewhere);
    const open = isPossible ? left : [];
    progress.add(run, { tenant, known, inRange, possible, open });
    if (open.length === 0) return;
    for (const slice of traceSlices(request, inRange)) {
      const isWhole = slice.fromUnixNano === undefined && slice.beforeUnixNano === undefined;
      const part = isWhole ? overlay : overlay.sliced(segmentsOfSlice(inRange, slice));
      const members = new Set(part.segments);
      const read = open.filter(({ meta }) => members.has(meta));
      if (read.length === 0) continue;
      const restUntil = request.isLast ? endOfRest(overlay, inRange, slice) : ANY_TIME;
      await visit({ ...traceSources(request, part, read, slice), restUntil });
      progress.addRead(read.map(({ meta }) => meta));
    }
  } finally {
    await overlay[Symbol.asyncDispose]();
  }
}

/** By when traces start, the newest first. */
function traceSlices(
  { evaluation, inSlices }: TraceRequest,
  segments: readonly SegmentSummary[],
): Iterable<Slice> {
  if (!inSlices) return [{ fromUnixNano: undefined, beforeUnixNano: undefined }];
  const { maxTraceRows: maxRows, onStep } = evaluation;
  const firstRows = onStep === undefined ? maxRows : maxRows * FIRST_SHARE;
  const sizes = { firstRows, minRows: maxRows, maxRows, blindRows: maxRows };
  return newestSlices(segments, undefined, new SliceGrowth(0, sizes));
}

/** After which no span starts that comes in a later slice; undefined when none do. */
function endOfRest(
  overlay: TraceOverlay,
  inRange: readonly SegmentSummary[],
  { fromUnixNano }: Slice,
): bigint | undefined {
  if (fromUnixNano === undefined) return undefined;
  const rest = { fromUnixNano: undefined, beforeUnixNano: fromUnixNano };
  const older = segmentsOfSlice(inRange, rest);
  // Of a trace that started before, a later part.
  const overlaid = overlay.segments.filter((meta) => overlay.isOverlaid(meta));
  return [...older, ...overlaid].map(endOfSegment).reduce(maxOf, 0n);
}

function isOfParent(field: FieldRef): boolean {
  return field.type === "parent-attribute";
}

type TraceGroup = TraceRows & Pick<RowSource, "segments" | "from" | "numbering">;

function traceSources(
  request: TraceRequest,
  overlay: OverlaySlice,
  possible: readonly PreparedSegment[],
  slice: Slice,
): Pick<RowSources, "prelude" | "hits" | "sources"> {
  const { pipeline, condition } = request;
  const { grid } = request.evaluation;
  const inSlice = startsInSliceSql(slice);
  const groups = groupByKey(possible).map(({ segments, prepared }): TraceGroup => {
    const { shape, conditions } = prepared;
    const from = (some: readonly SegmentSummary[], whole = false): string => {
      const where = whole ? inSlice : [...inSlice, overlapsGridSql(grid)];
      if (where.length === 0) return overlay.from(some);
      return `(SELECT * FROM ${overlay.from(some)} WHERE ${where.join(" AND ")})`;
    };
    return { segments, shape, conditions, from, rows: from(segments), numbering: overlay };
  });
  const { beside, whole, parents } = withParentsBeside(request, groups);
  if (condition !== undefined) {
    const sources = beside.map(({ segments, shape, conditions, from, numbering }) => {
      const where = conditionSql(condition, (leaf) => conditions[leaf]!);
      const isComplete = where === EVERY_SPAN_SQL && parents === undefined && inSlice.length === 0;
      return { segments, isStored: false, shape, from, where, numbering, isComplete };
    });
    return { prelude: parents === undefined ? "" : `WITH ${parents} `, sources };
  }
  const sources = beside.map(({ segments, shape, from, numbering }) => ({
    segments,
    isStored: false,
    shape,
    numbering,
    from: (some: readonly SegmentSummary[], all?: boolean) =>
      `(SELECT * FROM ${from(some, all)} SEMI JOIN ${HITS} USING (row_id))`,
    where: "TRUE",
  }));
  const clause = hitsSql(pipeline, whole, grid);
  const rest = parents === undefined ? "" : `, ${parents} `;
  const hits = {
    select: `${clause} SELECT row_id FROM ${HITS}`,
    preludeOver: (table: string) => `WITH ${HITS} AS (SELECT row_id FROM ${table})${rest} `,
  };
  return { prelude: `${clause}${rest}`, hits, sources };
}

/** Name of the relation with the columns that stand beside a row, by `row_id`. */
const PARENTS = "parents";

/**
 * `beside`: each row has its parent's columns beside its own where a field needs them. A parent may
 * lie in a segment of another shape, so they are found among all rows: by `parents`, a relation of
 * the WITH clause, since a statement that found them anew for each group and place where it reads
 * one would have dozens of joins. `whole`: for the pipeline, which finds parents by itself.
 */
function withParentsBeside(
  { fields, shown, preparer }: TraceRequest,
  groups: readonly TraceGroup[],
): {
  readonly beside: readonly TraceGroup[];
  readonly whole: readonly TraceRows[];
  readonly parents: string | undefined;
} {
  if (!fields.some(isOfParent)) return { beside: groups, whole: groups, parents: undefined };
  const joined = joinedRows(
    groups.map(({ rows, shape }) => ({ from: rows, shape })),
    fields,
  );
  const conditions = preparer.conditions(joined.shape);
  const parents = withParents(joined.from, fields, joined.shape);
  const whole = [{ rows: joined.from, shape: joined.shape, conditions }];
  if (parents === joined.from || !shown.some(isOfParent))
    return { beside: groups, whole, parents: undefined };
  const columns = `SELECT row_id, COLUMNS('^(parent:.*|joined_[0-9]+)$') FROM ${parents}`;
  const beside = groups.map((group): TraceGroup => {
    const { hasEvents, hasLinks, hasExactTimes, listTypes } = group.shape;
    const key = `${joined.shape.key} for ${group.shape.key}`;
    const shape = { ...joined.shape, key, hasEvents, hasLinks, hasExactTimes, listTypes };
    const from: TraceGroup["from"] = (some, all) =>
      `(SELECT own.*, other.* EXCLUDE (row_id)
        FROM ${group.from(some, all)} AS own JOIN ${PARENTS} AS other USING (row_id))`;
    return { ...group, shape, conditions: preparer.conditions(shape), from };
  });
  return { beside, whole, parents: `${PARENTS} AS MATERIALIZED (${columns})` };
}
