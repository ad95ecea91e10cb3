import { isPintailError, PintailError } from "../../errors.ts";
import type { Hint, MetricsStage, Query, SecondStage } from "../../traceql/ast.ts";
import { checkMetricsQuery } from "../../traceql/check/metrics-query.ts";
import { foldMetrics, type MetricsExpr, queriesOf } from "../../traceql/metrics-query.ts";
import { parseMetricsQuery } from "../../traceql/metrics-query-parser.ts";
import type { Pipeline } from "../../traceql/plan/pipeline.ts";
import { planPipeline } from "../../traceql/plan/plan-pipeline.ts";
import { TraceQLError } from "../../traceql/traceql-error.ts";
import { checkQuerySize } from "../compile-search.ts";
import { numberOf } from "./second-stages.ts";

/** A metrics query ready to run: what to compute, and what to do with the series. */
export type CompiledMetrics = {
  readonly expr: CompiledExpr;
  readonly second: readonly SecondStage[];
  /** Those of its queries too; the last of a name counts. */
  readonly hints: readonly Hint[];
};

export type CompiledExpr =
  | { readonly type: "query"; readonly query: SeriesQuery }
  | { readonly type: "number"; readonly value: number }
  | {
      readonly type: "operation";
      readonly op: "+" | "-" | "*" | "/" | "%" | "^";
      readonly left: CompiledExpr;
      readonly right: CompiledExpr;
    };

/** One pipeline with its first-stage function, and the stages after it. */
export type SeriesQuery = {
  readonly pipeline: Pipeline;
  readonly stage: MetricsStage;
  readonly second: readonly SecondStage[];
};

/** The pipelines of a query, from left to right. */
export function pipelinesOf({ expr }: Pick<CompiledMetrics, "expr">): Pipeline[] {
  const found: Pipeline[] = [];
  const pending = [expr];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.type === "query") found.push(node.query.pipeline);
    else if (node.type === "operation") pending.push(node.right, node.left);
  }
  return found;
}

export type CompileOptions = {
  readonly maxQueryBytes: number;
  /** Tempo words the errors of both endpoints differently. */
  readonly instant: boolean;
};

/**
 * A metrics query. Throws `invalid` in Tempo's words: for a range query syntax errors stand alone,
 * all else comes after "compiling query: ".
 */
export function compileMetrics(text: string, options: CompileOptions): CompiledMetrics {
  checkQuerySize(text, options.maxQueryBytes);
  if (text.trim() === "") {
    throw worded(new TraceQLError("parse error : syntax error: unexpected $end"), options.instant);
  }
  const query = attempt(() => parseMetricsQuery(text), options.instant);
  if (queriesOf(query.expr).some(({ metrics }) => metrics === undefined))
    throw new PintailError("invalid", "not a metrics query");
  return attempt(() => {
    checkMetricsQuery(query);
    const hints = [...queriesOf(query.expr).flatMap((each) => each.hints), ...query.hints];
    return { expr: compileExpr(query.expr), second: query.second, hints };
  }, true);
}

function attempt<T>(work: () => T, prefixed: boolean): T {
  try {
    return work();
  } catch (error) {
    throw worded(error, prefixed);
  }
}

/** What is not offered is also the client's to change: 400, not 404. */
function worded(error: unknown, prefixed: boolean): unknown {
  if (!isPintailError(error)) return error;
  const message = prefixed ? `compiling query: ${error.message}` : error.message;
  return new PintailError("invalid", message, { cause: error });
}

function compileExpr(expr: MetricsExpr): CompiledExpr {
  return foldMetrics<CompiledExpr>(expr, (node, results) => {
    switch (node.type) {
      case "query":
        return { type: "query", query: compileQuery(node.query) };
      case "number":
        return { type: "number", value: numberOf(node.value) };
      case "operation":
        return { type: "operation", op: node.op, left: results[0]!, right: results[1]! };
      default:
        return node satisfies never;
    }
  });
}

function compileQuery(query: Query): SeriesQuery {
  const { metrics, second } = query;
  if (metrics === undefined) throw new Error("a metrics query has a metrics stage");
  return { pipeline: planPipeline(query), stage: metrics, second };
}
