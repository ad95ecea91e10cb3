import type {
  AggregateFn,
  ArithmeticOp,
  CompareOp,
  FieldExpr,
  FieldRef,
  SpansetOp,
  Static,
} from "../ast.ts";

/**
 * A spanset pipeline whose expressions over single spans were taken out: what is left relates
 * spans of one trace to each other. Data between the checker and SQL.
 */
export type Pipeline = {
  /** Conditions over one span, each once; `{}` is the constant true. */
  readonly leaves: readonly FieldExpr[];
  /** Values of one span that `by()` and aggregates read, each once. */
  readonly values: readonly FieldExpr[];
  /** The first one is a spanset expression, `{}` where the query leaves it out. */
  readonly stages: readonly PipelineStage[];
  /** Leaves of the first stage: spans that match none of these play no part in the rest. */
  readonly seeds: readonly number[];
  /** Every field that the pipeline mentions, each once, in order of mention: what results echo. */
  readonly fields: readonly FieldRef[];
  /**
   * What a span gives depends on the rest of its trace by more than set membership: structural
   * operators, `parent.*`, fields of the trace (duration, root, nested sets, child count). Only
   * then must a trace that lies in several segments be put together before it is judged.
   */
  readonly needsWholeTraces: boolean;
  /** No trace can match; there is nothing to run. */
  readonly constantFalse: boolean;
};

/** Each maps the spansets of a trace to spansets of it; the first gets one with all its spans. */
export type PipelineStage =
  | { readonly type: "spanset"; readonly expr: SpansetNode }
  /** `name` is the text of the spanset attribute, `by(…)`. */
  | { readonly type: "group"; readonly value: number; readonly name: string }
  | { readonly type: "coalesce" }
  | {
      readonly type: "scalar-filter";
      readonly op: CompareOp;
      readonly left: ScalarNode;
      readonly right: ScalarNode;
    };

export type SpansetNode =
  | { readonly type: "leaf"; readonly leaf: number }
  /** Left-deep for a chain, so walk it by a loop. */
  | {
      readonly type: "op";
      readonly op: SpansetOp;
      readonly left: SpansetNode;
      readonly right: SpansetNode;
    }
  /** Its stages begin with a spanset expression. */
  | { readonly type: "pipeline"; readonly stages: readonly PipelineStage[] };

export type ScalarNode =
  /** `name` is the text of the spanset attribute, e.g. `avg(duration)`; `value` absent for count. */
  | {
      readonly type: "aggregate";
      readonly fn: AggregateFn;
      readonly value: number | undefined;
      readonly name: string;
    }
  | { readonly type: "static"; readonly value: Static }
  | {
      readonly type: "op";
      readonly op: ArithmeticOp;
      readonly left: ScalarNode;
      readonly right: ScalarNode;
    }
  /**
   * Of the spans that the stages leave of the same input, whatever their spansets. Nil where they
   * leave none. The stages begin with a spanset expression.
   */
  | {
      readonly type: "pipeline";
      readonly stages: readonly PipelineStage[];
      readonly aggregate: ScalarNode & { readonly type: "aggregate" };
    };
