/** The syntax tree of a TraceQL query: plain data, no node knows how it is printed or compiled. */

export type StatusWord = "unset" | "ok" | "error";
export type KindWord = "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";

/** A literal. Durations are nanoseconds. */
export type Static =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "duration"; readonly value: bigint }
  | { readonly type: "status"; readonly value: StatusWord }
  | { readonly type: "kind"; readonly value: KindWord };

/** Canonical names: each intrinsic has one, however it was spelled. */
export type IntrinsicName =
  | "name"
  | "duration"
  | "status"
  | "statusMessage"
  | "kind"
  | "parent"
  | "rootName"
  | "rootServiceName"
  | "traceDuration"
  | "nestedSetLeft"
  | "nestedSetRight"
  | "nestedSetParent"
  | "span:id"
  | "span:parentID"
  | "span:childCount"
  | "trace:id"
  | "event:name"
  | "event:timeSinceStart"
  | "link:traceID"
  | "link:spanID"
  | "instrumentation:name"
  | "instrumentation:version";

export type AttributeScope = "any" | "span" | "resource" | "event" | "link" | "instrumentation";

export type FieldRef =
  | { readonly type: "intrinsic"; readonly name: IntrinsicName }
  | { readonly type: "attribute"; readonly scope: AttributeScope; readonly key: string }
  | {
      readonly type: "parent-attribute";
      readonly scope: "any" | "span" | "resource";
      readonly key: string;
    };

export type ArithmeticOp = "+" | "-" | "*" | "/" | "%" | "^";
export type CompareOp = "=" | "!=" | "<" | "<=" | ">" | ">=";
export type RegexOp = "=~" | "!~";
export type LogicOp = "&&" | "||";
export type BinaryOp = ArithmeticOp | CompareOp | RegexOp | LogicOp;
export type UnaryOp = "-" | "!";

export type FieldExpr =
  | { readonly type: "static"; readonly value: Static }
  | { readonly type: "field"; readonly field: FieldRef }
  | { readonly type: "unary"; readonly op: UnaryOp; readonly operand: FieldExpr }
  | {
      readonly type: "binary";
      readonly op: BinaryOp;
      readonly left: FieldExpr;
      readonly right: FieldExpr;
    }
  /** `x != nil`, or `x = nil` when negated. */
  | { readonly type: "exists"; readonly operand: FieldExpr; readonly negated: boolean };

export type StructuralOp =
  | ">"
  | ">>"
  | "<"
  | "<<"
  | "~"
  | "!>"
  | "!>>"
  | "!<"
  | "!<<"
  | "!~"
  | "&>"
  | "&>>"
  | "&<"
  | "&<<"
  | "&~";
export type SpansetOp = LogicOp | StructuralOp;

export type SpansetExpr =
  | { readonly type: "filter"; readonly expr: FieldExpr }
  | {
      readonly type: "spanset-op";
      readonly op: SpansetOp;
      readonly left: SpansetExpr;
      readonly right: SpansetExpr;
    }
  /** A parenthesised pipeline as an operand. */
  | { readonly type: "pipeline"; readonly stages: readonly Stage[] };

export type AggregateFn = "count" | "min" | "max" | "avg" | "sum";
export type Aggregate = {
  readonly type: "aggregate";
  readonly fn: AggregateFn;
  /** Absent for `count` only. */
  readonly expr: FieldExpr | undefined;
};

export type ScalarExpr =
  | Aggregate
  | { readonly type: "scalar-static"; readonly value: Static }
  | {
      readonly type: "scalar-op";
      readonly op: ArithmeticOp;
      readonly left: ScalarExpr;
      readonly right: ScalarExpr;
    }
  /** `({…} | count())`: an aggregate over what a pipeline of its own leaves. */
  | {
      readonly type: "scalar-pipeline";
      readonly stages: readonly Stage[];
      readonly aggregate: Aggregate;
    };

export type ScalarFilter = {
  readonly type: "scalar-filter";
  readonly op: CompareOp;
  readonly left: ScalarExpr;
  readonly right: ScalarExpr;
};

export type Stage =
  | SpansetExpr
  | ScalarFilter
  | { readonly type: "group"; readonly by: FieldExpr }
  | { readonly type: "select"; readonly fields: readonly FieldRef[] }
  | { readonly type: "coalesce" };

export type MetricsFn =
  | "rate"
  | "count_over_time"
  | "min_over_time"
  | "max_over_time"
  | "sum_over_time"
  | "avg_over_time"
  | "histogram_over_time";

export type MetricsStage =
  | {
      readonly type: "metrics";
      readonly fn: MetricsFn;
      /** Absent for `rate` and `count_over_time`. */
      readonly field: FieldRef | undefined;
      readonly by: readonly FieldRef[];
    }
  | {
      readonly type: "quantiles";
      readonly field: FieldRef;
      readonly quantiles: readonly number[];
      readonly by: readonly FieldRef[];
    }
  | {
      readonly type: "compare";
      readonly selection: FieldExpr;
      readonly topN: bigint | undefined;
      /** Nanoseconds since 1970. */
      readonly window: { readonly start: bigint; readonly end: bigint } | undefined;
    };

export type SecondStage =
  | { readonly type: "topk" | "bottomk"; readonly limit: bigint }
  | { readonly type: "metrics-filter"; readonly op: CompareOp; readonly value: Static };

export type Hint = { readonly name: string; readonly value: Static };

export type Query = {
  /** At least one. */
  readonly stages: readonly Stage[];
  readonly metrics: MetricsStage | undefined;
  readonly second: readonly SecondStage[];
  /** Those of the last `with(…)`. */
  readonly hints: readonly Hint[];
};

export const TRUE_EXPR: FieldExpr = { type: "static", value: { type: "bool", value: true } };
export const FALSE_EXPR: FieldExpr = { type: "static", value: { type: "bool", value: false } };
