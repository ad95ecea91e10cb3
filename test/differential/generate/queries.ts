import type {
  Aggregate,
  FieldExpr,
  FieldRef,
  MetricsStage,
  Query,
  ScalarExpr,
  SecondStage,
  SpansetExpr,
  Stage,
  Static,
  StructuralOp,
} from "../../../src/traceql/ast.ts";
import { anyChoice, numericExpr, numericField } from "./fields.ts";
import { randomFilter } from "./filters.ts";
import type { Random } from "./random.ts";

const STRUCTURAL: readonly StructuralOp[] = [
  ">",
  ">>",
  "<",
  "<<",
  "~",
  "!>",
  "!>>",
  "!<",
  "!<<",
  "!~",
  "&>",
  "&>>",
  "&<",
  "&<<",
  "&~",
];

/** A spanset pipeline without a metrics stage. */
export function randomSearch(r: Random): Query {
  return { stages: randomStages(r), metrics: undefined, second: [], hints: [] };
}

export function randomStages(r: Random): Stage[] {
  const stages: Stage[] = [
    r.weighted<Stage>([
      [6, () => ({ type: "filter", expr: randomFilter(r) })],
      [6, () => randomSpanset(r, 2)],
      [0.5, () => randomGroup(r)],
      [0.5, () => randomScalarFilter(r)],
    ]),
  ];
  if (holdsPipeline(stages[0]!)) return stages;
  while (r.chance(0.4) && stages.length < 5) stages.push(randomLaterStage(r));
  return stages;
}

/** Operands of a stage may be parenthesised pipelines; nothing may follow it then (§2.1 note 6). */
function holdsPipeline(stage: Stage): boolean {
  switch (stage.type) {
    case "pipeline":
      return true;
    case "spanset-op":
      return holdsPipeline(stage.left) || holdsPipeline(stage.right);
    case "scalar-filter":
      return scalarHoldsPipeline(stage.left) || scalarHoldsPipeline(stage.right);
    default:
      return false;
  }
}

function scalarHoldsPipeline(e: ScalarExpr): boolean {
  if (e.type === "scalar-op") return scalarHoldsPipeline(e.left) || scalarHoldsPipeline(e.right);
  return e.type === "scalar-pipeline";
}

function randomLaterStage(r: Random): Stage {
  return r.weighted<Stage>([
    [3, () => randomGroup(r)],
    [5, () => randomScalarFilter(r)],
    [1, () => ({ type: "coalesce" })],
    [2, () => ({ type: "filter", expr: randomFilter(r, 1) })],
    [1, () => randomPlainSpanset(r, 1)],
    [1.5, () => ({ type: "select", fields: [anyChoice(r).field, anyChoice(r).field] })],
  ]);
}

function randomGroup(r: Random): Stage {
  const by: FieldExpr = r.weighted<FieldExpr>([
    [10, () => ({ type: "field", field: groupField(r) })],
    [1, () => numericExpr(r)],
    [1, () => randomFilter(r, 0)],
  ]);
  return { type: "group", by };
}

/** How not-a-number values group is nobody's business. */
function groupField(r: Random): FieldRef {
  for (;;) {
    const { field } = anyChoice(r);
    if (field.type === "intrinsic" || field.key !== "wild") return field;
  }
}

function randomSpanset(r: Random, depth: number): SpansetExpr {
  return r.weighted<SpansetExpr>([
    [depth > 0 ? 1 : 3, () => ({ type: "filter", expr: randomFilter(r, 1) })],
    [depth > 0 ? 0.7 : 0, () => ({ type: "pipeline", stages: randomInnerStages(r) })],
    [
      depth > 0 ? 4 : 0,
      () => ({
        type: "spanset-op",
        op: r.chance(0.4) ? r.pick(["&&", "||"] as const) : r.pick(STRUCTURAL),
        left: randomSpanset(r, depth - 1),
        right: randomSpanset(r, depth - 1),
      }),
    ],
  ]);
}

function randomPlainSpanset(r: Random, depth: number): SpansetExpr {
  if (depth === 0) return { type: "filter", expr: randomFilter(r, 1) };
  return {
    type: "spanset-op",
    op: r.chance(0.3) ? r.pick(["&&", "||"] as const) : r.pick(STRUCTURAL),
    left: randomPlainSpanset(r, depth - 1),
    right: randomPlainSpanset(r, depth - 1),
  };
}

function randomInnerStages(r: Random): Stage[] {
  const stages: Stage[] = [
    r.weighted<Stage>([
      [4, () => ({ type: "filter", expr: randomFilter(r, 1) })],
      [1, () => randomPlainSpanset(r, 1)],
      [0.5, () => randomGroup(r)],
    ]),
  ];
  do stages.push(randomLaterStage(r));
  while (r.chance(0.3));
  if (r.chance(0.5) && stages.some((stage) => stage.type === "group")) {
    stages.push({ type: "coalesce" });
  }
  return stages;
}

function randomScalarFilter(r: Random): Stage {
  const op = r.pick(["=", "!=", "<", "<=", ">", ">", ">="] as const);
  return r.weighted<Stage>([
    [
      6,
      () => {
        const left = randomAggregate(r);
        return { type: "scalar-filter", op, left, right: scalarStatic(r, left) };
      },
    ],
    [
      1.5,
      () => ({ type: "scalar-filter", op, left: randomScalar(r, 2), right: randomScalar(r, 2) }),
    ],
  ]);
}

/** Later stages may not hold pipelines; only `randomTopScalar` makes them. */
function randomScalar(r: Random, depth: number): ScalarExpr {
  return r.weighted<ScalarExpr>([
    [3, () => randomAggregate(r)],
    [1, () => scalarStatic(r, { type: "aggregate", fn: "count", expr: undefined })],
    [
      depth > 0 ? 2 : 0,
      () => ({
        type: "scalar-op",
        op: r.pick(["+", "-", "*", "/", "%"] as const),
        left: randomScalar(r, depth - 1),
        right: randomScalar(r, depth - 1),
      }),
    ],
  ]);
}

/** `({…} | count()) > ({…} | max(duration))`: the whole of a query. */
export function randomPipelineComparison(r: Random): Query {
  const side = (depth: number): ScalarExpr =>
    r.weighted<ScalarExpr>([
      [
        3,
        () => ({
          type: "scalar-pipeline",
          stages: r.chance(0.7)
            ? [{ type: "filter", expr: randomFilter(r, 1) }]
            : [randomPlainSpanset(r, 1)],
          aggregate: randomAggregate(r),
        }),
      ],
      [
        depth > 0 ? 1 : 0,
        () => ({
          type: "scalar-op",
          op: r.pick(["+", "-", "*"] as const),
          left: side(depth - 1),
          right: side(depth - 1),
        }),
      ],
    ]);
  const left = side(1);
  const right = r.chance(0.3)
    ? scalarStatic(r, { type: "aggregate", fn: "count", expr: undefined })
    : side(1);
  const op = r.pick(["=", "!=", "<", "<=", ">", ">="] as const);
  return {
    stages: [{ type: "scalar-filter", op, left, right }],
    metrics: undefined,
    second: [],
    hints: [],
  };
}

function randomAggregate(r: Random): Aggregate {
  const fn = r.pick(["count", "count", "min", "max", "avg", "sum"] as const);
  return { type: "aggregate", fn, expr: fn === "count" ? undefined : numericExpr(r) };
}

function scalarStatic(r: Random, { fn, expr }: Aggregate): ScalarExpr {
  const time = expr?.type === "field" && expr.field.type === "intrinsic";
  const value: Static =
    fn === "count" || !time
      ? r.pick<Static>([
          { type: "int", value: BigInt(r.below(5)) },
          { type: "int", value: BigInt(r.below(3) - 1) },
          { type: "float", value: r.pick([0.5, 1.5, 2]) },
        ])
      : { type: "duration", value: BigInt(r.pick([0, 1, 100, 250, 700])) * 1_000_000n };
  return { type: "scalar-static", value };
}

/** A metrics query: a pipeline, a function, perhaps second stages. */
export function randomMetricsQuery(r: Random, windowStart: bigint): Query {
  const stages = metricsStages(r);
  const metrics = randomMetrics(r, windowStart);
  const second: SecondStage[] = [];
  while (metrics.type !== "compare" && r.chance(0.25)) {
    second.push(
      r.chance(0.6) && second.every(({ type }) => type === "metrics-filter")
        ? { type: r.pick(["topk", "bottomk"] as const), limit: BigInt(1 + r.below(3)) }
        : {
            type: "metrics-filter",
            op: r.pick(["=", "!=", "<", "<=", ">", ">="] as const),
            value: r.pick<Static>([
              { type: "int", value: BigInt(r.below(3)) },
              { type: "float", value: 0.25 },
              { type: "duration", value: 250_000_000n },
            ]),
          },
    );
  }
  return { stages, metrics, second, hints: [] };
}

/** Nothing may follow parenthesised pipelines. */
function metricsStages(r: Random): Stage[] {
  for (;;) {
    const stages = randomStages(r);
    if (!stages.some(holdsPipeline)) return stages;
  }
}

function randomMetrics(r: Random, windowStart: bigint): MetricsStage {
  const by = (most: number) => Array.from({ length: r.below(most + 1) }, () => groupField(r));
  return r.weighted<MetricsStage>([
    [
      4,
      () => ({
        type: "metrics",
        fn: r.pick(["rate", "count_over_time"] as const),
        field: undefined,
        by: by(2),
      }),
    ],
    [
      4,
      () => ({
        type: "metrics",
        fn: r.pick([
          "min_over_time",
          "max_over_time",
          "sum_over_time",
          "avg_over_time",
          "histogram_over_time",
        ] as const),
        field: numericField(r),
        by: by(2),
      }),
    ],
    [
      2,
      () => ({
        type: "quantiles",
        field: numericField(r),
        quantiles: r.pick([[0.5], [0, 0.9, 1], [0.99, 0.25]]),
        by: by(1),
      }),
    ],
    [
      1,
      () => ({
        type: "compare",
        selection: randomFilter(r, 1),
        // More than there are: which of equally frequent values of one text stay is not defined.
        topN: r.pick([200n, 1000n]),
        window: undefined,
      }),
    ],
    [
      0.4,
      () => ({
        type: "compare",
        selection: randomFilter(r, 0),
        topN: 200n,
        window: { start: windowStart, end: windowStart + 120_000_000_000n },
      }),
    ],
  ]);
}
