import type { FieldExpr, FieldRef, Query, ScalarExpr, Stage } from "../../../src/traceql/ast.ts";
import { attributeText } from "../answer-text.ts";
import { fieldValue, serviceName } from "./field.ts";
import { runStages } from "./pipeline.ts";
import { fieldText } from "./text.ts";
import type { OracleSpan, OracleTrace } from "./trace.ts";
import { anyValue } from "./value.ts";

/** In the shape of `FoundTrace`, with everything that has no defined order sorted. */
export type ExpectedTrace = {
  readonly traceId: string;
  readonly rootServiceName: string;
  readonly rootSpanName: string;
  readonly startUnixNano: bigint;
  readonly durationNanos: bigint;
  readonly spansets: readonly ExpectedSpanset[];
  readonly serviceStats: readonly (readonly [string, { spanCount: number; errorCount: number }])[];
};
export type ExpectedSpanset = {
  readonly matchedCount: number;
  readonly attributes: readonly string[];
  readonly spans: readonly {
    readonly spanId: string;
    readonly name: string | undefined;
    readonly startUnixNano: bigint;
    readonly durationNanos: bigint;
    readonly attributes: readonly string[];
  }[];
};

const NEVER_ECHOED: ReadonlySet<string> = new Set([
  "name",
  "duration",
  "traceDuration",
  "rootServiceName",
  "rootName",
  "trace:id",
  "span:id",
]);

/** What a search answers (§4.6), newest trace first, ties by trace id. */
export function searchOracle(
  traces: readonly OracleTrace[],
  query: Query,
  options: { limit: number; spansPerSpanset: number },
): ExpectedTrace[] {
  const fields = mentioned(query.stages);
  const echoed = fields.filter((f) => f.type !== "intrinsic" || !NEVER_ECHOED.has(f.name));
  const showsName = fields.some((f) => f.type === "intrinsic" && f.name === "name");
  const shown = (span: OracleSpan) => ({
    spanId: span.spanId,
    name: showsName ? span.name : undefined,
    startUnixNano: span.startUnixNano,
    durationNanos: span.endUnixNano - span.startUnixNano,
    attributes: echoed.flatMap((field) => echo(field, span)).sort(),
  });
  return traces
    .map((trace) => ({ trace, spansets: runStages(query.stages, trace.spans) }))
    .filter(({ spansets }) => spansets.length > 0)
    .sort(({ trace: a }, { trace: b }) => newestFirst(a, b))
    .slice(0, options.limit)
    .map(({ trace, spansets }) => ({
      traceId: trace.traceId,
      rootServiceName: trace.root === undefined ? "" : serviceName(trace.root),
      rootSpanName: trace.root?.name ?? "",
      startUnixNano: trace.startUnixNano,
      durationNanos: trace.durationNanos,
      spansets: sortedSpansets(
        spansets.map(({ spans, attributes }) => ({
          matchedCount: spans.length,
          attributes: attributes.map(([name, v]) => attributeText(name, anyValue(v))),
          spans: spans.slice(0, options.spansPerSpanset || spans.length).map(shown),
        })),
      ),
      serviceStats: statsOf(trace),
    }));
}

function newestFirst(a: OracleTrace, b: OracleTrace): number {
  if (a.startUnixNano !== b.startUnixNano) return a.startUnixNano > b.startUnixNano ? -1 : 1;
  return a.traceId < b.traceId ? -1 : 1;
}

/** Groups come in no defined order. */
export function sortedSpansets(spansets: readonly ExpectedSpanset[]): ExpectedSpanset[] {
  const key = (s: ExpectedSpanset) =>
    JSON.stringify([s.attributes, s.spans.map((span) => span.spanId), s.matchedCount]);
  return spansets
    .map((s) => [key(s), s] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, s]) => s);
}

function echo(field: FieldRef, span: OracleSpan): string[] {
  const value = fieldValue(field, span, {});
  if (value.t === "nil" || value.t === "empty") return [];
  const key = field.type === "intrinsic" ? field.name : field.key;
  return [attributeText(key, anyValue(value))];
}

function statsOf(trace: OracleTrace): ExpectedTrace["serviceStats"] {
  const stats = new Map<string, { spanCount: number; errorCount: number }>();
  for (const span of trace.spans) {
    const service = serviceName(span);
    const { spanCount, errorCount } = stats.get(service) ?? { spanCount: 0, errorCount: 0 };
    stats.set(service, {
      spanCount: spanCount + 1,
      errorCount: errorCount + (span.status === 2 ? 1 : 0),
    });
  }
  return [...stats].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Every field that the stages name, each once. */
export function mentioned(stages: readonly Stage[]): FieldRef[] {
  const fields = new Map<string, FieldRef>();
  const add = (field: FieldRef): void => {
    fields.set(fieldText(field), field);
  };
  const expr = (e: FieldExpr | undefined): void => {
    if (e === undefined || e.type === "static") return;
    if (e.type === "field") add(e.field);
    else if (e.type === "binary") {
      expr(e.left);
      expr(e.right);
    } else expr(e.operand);
  };
  const all = (list: readonly Stage[]): void => {
    for (const stage of list) visit(stage);
  };
  const scalar = (e: ScalarExpr): void => {
    if (e.type === "aggregate") expr(e.expr);
    else if (e.type === "scalar-op") {
      scalar(e.left);
      scalar(e.right);
    } else if (e.type === "scalar-pipeline") {
      all(e.stages);
      scalar(e.aggregate);
    }
  };
  const visit = (stage: Stage): void => {
    switch (stage.type) {
      case "filter":
        expr(stage.expr);
        break;
      case "spanset-op":
        all([stage.left, stage.right]);
        break;
      case "pipeline":
        all(stage.stages);
        break;
      case "scalar-filter":
        scalar(stage.left);
        scalar(stage.right);
        break;
      case "group":
        expr(stage.by);
        break;
      case "select":
        for (const field of stage.fields) add(field);
        break;
      case "coalesce":
        break;
      default:
        stage satisfies never;
    }
  };
  all(stages);
  return [...fields.values()];
}
