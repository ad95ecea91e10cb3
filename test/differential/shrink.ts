import type { FieldExpr, Query, ScalarExpr, SpansetExpr, Stage } from "../../src/traceql/ast.ts";
import type { PlainSpan } from "../support/read-batch.ts";
import type { Placed } from "./data-set.ts";

/** Data and query of a case that fails. */
export type Case = { readonly placed: readonly Placed[]; readonly query: Query };

/**
 * A smaller case for which `fails` still holds: fewer spans, a simpler query, fewer attributes, as
 * far as the time goes.
 */
export async function shrink(
  start: Case,
  fails: (candidate: Case) => Promise<boolean>,
  budgetMs = 45_000,
): Promise<Case> {
  const deadline = performance.now() + budgetMs;
  let best = start;
  for (;;) {
    let smaller: Case | undefined;
    for (const candidate of candidates(best)) {
      if (performance.now() > deadline) return best;
      if (await fails(candidate)) {
        smaller = candidate;
        break;
      }
    }
    if (smaller === undefined) return best;
    best = smaller;
  }
}

function* candidates({ placed, query }: Case): Generator<Case> {
  const ids = [...new Set(placed.map(({ span }) => span.traceId))];
  for (let size = ids.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < ids.length; at += size) {
      const dropped = new Set(ids.slice(at, at + size));
      const kept = placed.filter(({ span }) => !dropped.has(span.traceId));
      if (kept.length > 0) yield { placed: kept, query };
    }
  }
  for (const simpler of simplerQueries(query)) yield { placed, query: simpler };
  if (placed.length > 1) {
    for (let i = 0; i < placed.length; i++) {
      yield { placed: placed.filter((_, at) => at !== i), query };
    }
  }
  if (placed.some(({ segment }) => segment !== 0)) {
    yield { placed: placed.map(({ span }) => ({ span, segment: 0 })), query };
  }
  for (let i = 0; i < placed.length; i++) {
    for (const span of simplerSpans(placed[i]!.span)) {
      yield { placed: placed.map((p, at) => (at === i ? { ...p, span } : p)), query };
    }
  }
}

function* simplerSpans(span: PlainSpan): Generator<PlainSpan> {
  if (span.events.length > 0) yield { ...span, events: span.events.slice(1) };
  if (span.links.length > 0) yield { ...span, links: span.links.slice(1) };
  for (const list of ["attributes"] as const) {
    for (let i = 0; i < span[list].length; i++) {
      yield { ...span, [list]: span[list].filter((_, at) => at !== i) };
    }
  }
  const { resource, scope } = span;
  for (let i = 0; i < resource.attributes.length; i++) {
    const { key } = resource.attributes[i]!;
    const attributes = resource.attributes.filter((_, at) => at !== i);
    const serviceName = key === "service.name" ? "" : resource.serviceName;
    yield { ...span, resource: { ...resource, attributes, serviceName } };
  }
  if (scope.attributes.length > 0) yield { ...span, scope: { ...scope, attributes: [] } };
}

function* simplerQueries(query: Query): Generator<Query> {
  if (query.second.length > 0) yield { ...query, second: query.second.slice(0, -1) };
  for (const stages of simplerStages(query.stages)) yield { ...query, stages };
  const { metrics } = query;
  if (metrics !== undefined && metrics.type !== "compare" && metrics.by.length > 0) {
    yield { ...query, metrics: { ...metrics, by: metrics.by.slice(1) } };
    yield { ...query, metrics: { ...metrics, by: metrics.by.slice(0, -1) } };
  }
  if (metrics?.type === "compare") {
    for (const selection of simplerExprs(metrics.selection)) {
      yield { ...query, metrics: { ...metrics, selection } };
    }
  }
}

function* simplerStages(stages: readonly Stage[]): Generator<Stage[]> {
  if (stages.length > 1) {
    for (let i = 0; i < stages.length; i++) yield stages.filter((_, at) => at !== i);
  }
  for (let i = 0; i < stages.length; i++) {
    for (const stage of simplerStage(stages[i]!)) {
      yield stages.map((old, at) => (at === i ? stage : old));
    }
  }
}

function* simplerStage(stage: Stage): Generator<Stage> {
  switch (stage.type) {
    case "scalar-filter":
      for (const left of simplerScalars(stage.left)) yield { ...stage, left };
      for (const right of simplerScalars(stage.right)) yield { ...stage, right };
      return;
    case "group":
      for (const by of simplerExprs(stage.by)) yield { ...stage, by };
      return;
    case "select":
      if (stage.fields.length > 1) yield { ...stage, fields: stage.fields.slice(1) };
      return;
    case "coalesce":
      return;
    default:
      yield* simplerSpansets(stage);
  }
}

function* simplerSpansets(e: SpansetExpr): Generator<SpansetExpr> {
  switch (e.type) {
    case "filter":
      for (const expr of simplerExprs(e.expr)) yield { type: "filter", expr };
      return;
    case "pipeline": {
      const [first] = e.stages;
      if (first?.type === "filter" || first?.type === "spanset-op") yield first;
      for (const stages of simplerStages(e.stages)) {
        if (stages.length > 1) yield { type: "pipeline", stages };
      }
      return;
    }
    default:
      yield e.left;
      yield e.right;
      for (const left of simplerSpansets(e.left)) yield { ...e, left };
      for (const right of simplerSpansets(e.right)) yield { ...e, right };
  }
}

function* simplerScalars(e: ScalarExpr): Generator<ScalarExpr> {
  switch (e.type) {
    case "scalar-static":
      return;
    case "aggregate":
      if (e.expr === undefined) return;
      for (const expr of simplerExprs(e.expr)) yield { ...e, expr };
      return;
    case "scalar-op":
      yield e.left;
      yield e.right;
      for (const left of simplerScalars(e.left)) yield { ...e, left };
      for (const right of simplerScalars(e.right)) yield { ...e, right };
      return;
    case "scalar-pipeline":
      for (const stages of simplerStages(e.stages)) yield { ...e, stages };
      return;
    default:
      e satisfies never;
  }
}

const TRUE: FieldExpr = { type: "static", value: { type: "bool", value: true } };

function* simplerExprs(e: FieldExpr): Generator<FieldExpr> {
  if (e.type === "static" || e.type === "field") return;
  yield TRUE;
  if (e.type === "binary") {
    yield e.left;
    yield e.right;
    for (const left of simplerExprs(e.left)) yield { ...e, left };
    for (const right of simplerExprs(e.right)) yield { ...e, right };
    return;
  }
  yield e.operand;
  for (const operand of simplerExprs(e.operand)) yield { ...e, operand };
}
