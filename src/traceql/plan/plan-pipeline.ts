import type {
  Aggregate,
  FieldExpr,
  FieldRef,
  Query,
  ScalarExpr,
  SpansetExpr,
  Stage,
} from "../ast.ts";
import { TRUE_EXPR } from "../ast.ts";
import { constantValue, foldConstants } from "../fold.ts";
import { printAggregate, printField, printStage } from "../print.ts";
import { TraceQLError } from "../traceql-error.ts";
import { addStageFields, FieldSet, foldScalar, foldSpanset } from "../walk.ts";
import type { Pipeline, PipelineStage, ScalarNode, SpansetNode } from "./pipeline.ts";

/** Each leaf is a column of several statements. */
export const MAX_LEAVES = 256;
/** As leaves, but wider. */
export const MAX_VALUES = 32;
/** Each costs up to two statements inside the one that runs, and a pass over its spans. */
export const MAX_STAGES = 64;
/** Each is a join, planned inside the one that follows. */
export const MAX_STRUCTURAL_OPERATORS = 32;

/** Of `&&` and `||` within each other, a chain of one counting once: SQL grows with the square. */
export const MAX_LOGIC_LEVELS = 48;

/**
 * The plan of a checked query's spanset pipeline; a metrics stage and hints play no part in it.
 * Throws `TraceQLError` for more filters, values, stages or structural operators than one
 * statement should hold.
 */
export function planPipeline(query: Query): Pipeline {
  const planner = new Planner();
  const { stages, never } = planner.stages(query.stages);
  const fields = new FieldSet();
  addStageFields(query.stages, fields);
  planner.checkBounds();
  return {
    leaves: planner.leaves.list,
    values: planner.values.list,
    stages,
    seeds: [...seedsOf(stages)],
    fields: fields.list(),
    needsWholeTraces: planner.structuralOperators > 0 || fields.list().some(readsWholeTrace),
    constantFalse: never,
  };
}

/** Whether a field's value on a span depends on other spans of its trace. */
export function readsWholeTrace(field: FieldRef): boolean {
  return (
    field.type === "parent-attribute" || (field.type === "intrinsic" && TRACE_WIDE.has(field.name))
  );
}

const TRACE_WIDE: ReadonlySet<string> = new Set([
  "rootName",
  "rootServiceName",
  "traceDuration",
  "nestedSetLeft",
  "nestedSetRight",
  "nestedSetParent",
  "span:childCount",
]);

/** Leaves through which spans come into a pipeline: those of the first stage and its operands. */
function seedsOf(stages: readonly PipelineStage[]): ReadonlySet<number> {
  const seeds = new Set<number>();
  const first = stages[0];
  const pending: SpansetNode[] = first?.type === "spanset" ? [first.expr] : [];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.type === "leaf") seeds.add(node.leaf);
    else if (node.type === "op") pending.push(node.right, node.left);
    else for (const leaf of seedsOf(node.stages)) seeds.add(leaf);
  }
  return seeds;
}

/** `never`: it leaves no span of any trace. */
type Planned<T> = T & { readonly never: boolean };

class Planner {
  readonly leaves = new Interned();
  readonly values = new Interned();
  structuralOperators = 0;
  #stageCount = 0;

  stages(written: readonly Stage[]): Planned<{ readonly stages: readonly PipelineStage[] }> {
    const stages: PipelineStage[] = [];
    let never = false;
    const [first] = written;
    if (first?.type === "group" || first?.type === "scalar-filter" || first?.type === "select") {
      stages.push({ type: "spanset", expr: { type: "leaf", leaf: this.leaves.add(TRUE_EXPR) } });
    }
    for (const stage of written) {
      const planned = this.#stage(stage);
      stages.push(...planned.stages);
      never ||= planned.never;
    }
    return { stages, never };
  }

  checkBounds(): void {
    checkCount("spanset filters", this.leaves.list.length, MAX_LEAVES);
    checkCount("values in by() and aggregates", this.values.list.length, MAX_VALUES);
    checkCount("pipeline stages", this.#stageCount, MAX_STAGES);
    checkCount("structural operators", this.structuralOperators, MAX_STRUCTURAL_OPERATORS);
  }

  #stage(stage: Stage): Planned<{ readonly stages: readonly PipelineStage[] }> {
    this.#stageCount++;
    switch (stage.type) {
      case "pipeline":
        // Parentheses around a whole stage change nothing.
        return this.stages(stage.stages);
      case "filter":
      case "spanset-op": {
        const { expr, never } = this.#spanset(stage);
        return { stages: [{ type: "spanset", expr }], never };
      }
      case "group": {
        const value = this.values.add(stage.by);
        return { stages: [{ type: "group", value, name: printStage(stage) }], never: false };
      }
      case "coalesce":
        return { stages: [{ type: "coalesce" }], never: false };
      case "select":
        return { stages: [], never: false };
      case "scalar-filter": {
        const left = this.#scalar(stage.left);
        const right = this.#scalar(stage.right);
        const { op } = stage;
        return {
          stages: [{ type: "scalar-filter", op, left: left.scalar, right: right.scalar }],
          never: left.never || right.never,
        };
      }
      default:
        return stage satisfies never;
    }
  }

  #spanset(expr: SpansetExpr): Planned<{ readonly expr: SpansetNode }> {
    type Result = Planned<{ readonly expr: SpansetNode; readonly levels: number }>;
    const planned = foldSpanset<Result>(expr, (node, results) => {
      switch (node.type) {
        case "filter":
          return {
            expr: { type: "leaf", leaf: this.leaves.add(node.expr) },
            never: constantValue(node.expr) === false,
            levels: 0,
          };
        case "pipeline": {
          const { stages, never } = this.stages(node.stages);
          return { expr: { type: "pipeline", stages }, never, levels: 0 };
        }
        case "spanset-op": {
          const [left, right] = results as readonly [Result, Result];
          const { op } = node;
          if (op !== "&&" && op !== "||") this.structuralOperators++;
          const levelsWith = ({ expr: operand, levels }: Result) =>
            operand.type === "op" && operand.op === op ? levels : levels + 1;
          return {
            expr: { type: "op", op, left: left.expr, right: right.expr },
            never: neverOf(op, left.never, right.never),
            levels: Math.max(levelsWith(left), levelsWith(right)),
          };
        }
        default:
          return node satisfies never;
      }
    });
    checkCount("levels of && and ||", planned.levels, MAX_LOGIC_LEVELS);
    return planned;
  }

  #scalar(expr: ScalarExpr): Planned<{ readonly scalar: ScalarNode }> {
    type Result = Planned<{ readonly scalar: ScalarNode }>;
    return foldScalar<Result>(expr, (node, results) => {
      switch (node.type) {
        case "aggregate":
          return { scalar: this.#aggregate(node), never: false };
        case "scalar-static":
          return { scalar: { type: "static", value: node.value }, never: false };
        case "scalar-op": {
          const [left, right] = results as readonly [Result, Result];
          return {
            scalar: { type: "op", op: node.op, left: left.scalar, right: right.scalar },
            never: left.never || right.never,
          };
        }
        case "scalar-pipeline": {
          const { stages, never } = this.stages(node.stages);
          const aggregate = this.#aggregate(node.aggregate);
          return { scalar: { type: "pipeline", stages, aggregate }, never };
        }
        default:
          return node satisfies never;
      }
    });
  }

  #aggregate(aggregate: Aggregate): ScalarNode & { type: "aggregate" } {
    return {
      type: "aggregate",
      fn: aggregate.fn,
      value: aggregate.expr === undefined ? undefined : this.values.add(aggregate.expr),
      name: printAggregate(aggregate),
    };
  }
}

/** A negated operator returns all of its right side where the left one is empty. */
function neverOf(op: string, left: boolean, right: boolean): boolean {
  if (op === "||") return left && right;
  return op.startsWith("!") ? right : left || right;
}

function checkCount(what: string, count: number, limit: number): void {
  if (count > limit) throw new TraceQLError(`query has ${count} ${what}, the limit is ${limit}`);
}

/** Expressions, each once, known by its text. */
class Interned {
  readonly list: FieldExpr[] = [];
  readonly #indexes = new Map<string, number>();

  add(written: FieldExpr): number {
    const expr = foldConstants(written);
    const text = printField(expr);
    let index = this.#indexes.get(text);
    if (index === undefined) {
      index = this.list.push(expr) - 1;
      this.#indexes.set(text, index);
    }
    return index;
  }
}
