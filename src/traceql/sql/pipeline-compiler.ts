import type { Pipeline, PipelineStage, SpansetNode } from "../plan/pipeline.ts";
import { foldTree } from "../walk.ts";
import {
  addColumnsOf,
  childrenOf,
  hasStructure,
  leafTree,
  TREE_COLUMNS,
} from "./pipeline-columns.ts";
import type { PipelineOutput, PipelineSql, PipelineSqlOptions } from "./pipeline-to-sql.ts";
import { columnsOf, keysOf, withKey } from "./spanset-keys.ts";
import {
  hasAnd,
  joinTrees,
  type LeafTree,
  logicOperator,
  logicRows,
  passingSets,
} from "./spanset-logic.ts";
import { structuralOperator } from "./spanset-operators.ts";
import {
  Ctes,
  type Rows,
  readRows,
  type ShownAttribute,
  type Spansets,
} from "./spanset-relation.ts";
import { scalarFilter } from "./spanset-scalar-filter.ts";
import { checkSqlLength, quoteIdentifier } from "./sql.ts";
import { decodeValueOfSort, valueSort } from "./value-to-sql.ts";

/** What a caller goes on to use: the rows of the spansets, or only which spansets there are. */
type Goal = "rows" | "sets";

export class PipelineCompiler {
  readonly #pipeline: Pipeline;
  readonly #base: string;
  readonly #output: PipelineOutput;
  readonly #carry: readonly string[];
  readonly #ctes: Ctes;

  constructor(pipeline: Pipeline, base: string, options: PipelineSqlOptions) {
    this.#pipeline = pipeline;
    this.#base = base;
    this.#output = options.output;
    this.#carry = (options.carry ?? []).map((name) => quoteIdentifier(name).text);
    this.#ctes = new Ctes(options.prefix ?? "pipeline_");
  }

  compile(): PipelineSql {
    const output = this.#output;
    const input: Spansets = {
      rows: { relation: this.#base, condition: undefined },
      key: undefined,
      groupedBy: [],
      attributes: [],
    };
    const stages =
      output === "traces" ? withoutLastGroups(this.#pipeline.stages) : this.#pipeline.stages;
    const live = new Set(this.#carry);
    let result = this.#run(stages, input, live, output === "traces" ? "sets" : "rows");
    const shows = output === "spansets";
    if (shows) result = withKey(this.#ctes, result, live);
    const columns = ["trace_id"];
    if (shows) columns.push(`${result.key ?? "CAST(0 AS BIGINT)"} AS spanset`);
    if (output !== "traces") columns.push("row_id");
    const attributes = shows ? result.attributes : [];
    for (const [i, { column }] of attributes.entries()) columns.push(`${column} AS attr${i}`);
    columns.push(...this.#carry);
    const relation = this.#ctes.add(readRows(this.#ctes, result.rows, columns));
    const ctes = this.#ctes.text();
    checkSqlLength(ctes.length);
    return {
      ctes,
      relation,
      attributes: attributes.map(({ name, sort }) => ({
        name,
        decode: (value) => decodeValueOfSort(sort, value),
      })),
      baseReads: this.#ctes.uses(this.#base),
    };
  }

  /**
   * What the stages make of `input`. The rows have the columns of `live`, which names those that
   * are used after the last stage. For `sets` they may be any rows, of which each spanset has one.
   */
  #run(
    stages: readonly PipelineStage[],
    input: Spansets,
    live: ReadonlySet<string>,
    goal: Goal,
  ): Spansets {
    const liveAfter: ReadonlySet<string>[] = [];
    let used = new Set(live);
    for (let i = stages.length - 1; i >= 0; i--) {
      liveAfter[i] = used;
      used = new Set(used);
      addColumnsOf([stages[i]!], used);
    }
    let current = input;
    for (const [i, stage] of stages.entries()) {
      const stageGoal = i === stages.length - 1 ? goal : "rows";
      current = this.#stage(stage, current, input, liveAfter[i]!, stageGoal);
    }
    return current;
  }

  #stage(
    stage: PipelineStage,
    current: Spansets,
    input: Spansets,
    live: ReadonlySet<string>,
    goal: Goal,
  ): Spansets {
    switch (stage.type) {
      case "spanset":
        return this.#spanset(stage.expr, current, live, goal);
      case "group":
        return this.#group(stage, current);
      case "coalesce":
        return { ...input, rows: current.rows };
      case "scalar-filter":
        return this.#scalarFilter(stage, current, live, goal);
      default:
        return stage satisfies never;
    }
  }

  /** Groups are told apart by the value itself, until something needs a key for them. */
  #group(stage: PipelineStage & { type: "group" }, current: Spansets): Spansets {
    const { value, name } = stage;
    const column = `value${value}`;
    const sort = valueSort(this.#pipeline.values[value]!);
    return {
      ...current,
      groupedBy: current.groupedBy.includes(column)
        ? current.groupedBy
        : [...current.groupedBy, column],
      attributes: this.#withAttribute(current, { name, column, sort }),
    };
  }

  #withAttribute(current: Spansets, added: ShownAttribute): readonly ShownAttribute[] {
    return this.#output === "spansets" ? [...current.attributes, added] : [];
  }

  #spanset(expr: SpansetNode, current: Spansets, live: ReadonlySet<string>, goal: Goal): Spansets {
    const tree = leafTree(expr);
    if (tree !== undefined && !hasAnd(tree)) {
      const { rows } = current;
      return { ...current, rows: logicRows(this.#ctes, tree, rows, [], []) };
    }
    const all = new Set(live);
    addColumnsOf([{ type: "spanset", expr }], all);
    const keyed = withKey(this.#ctes, current, all);
    const keys = keysOf(keyed);
    if (tree !== undefined && goal === "sets") {
      const carried = this.#carry.map((name) => `any_value(${name}) AS ${name}`);
      const relation = passingSets(this.#ctes, tree, keyed.rows, keys, carried);
      return { ...keyed, rows: { relation, condition: undefined } };
    }
    return { ...keyed, rows: this.#operators(expr, keyed, live, goal) };
  }

  #operators(root: SpansetNode, input: Spansets, live: ReadonlySet<string>, goal: Goal): Rows {
    const ctes = this.#ctes;
    const keys = keysOf(input);
    const needed = new Set(live);
    if (hasStructure(root)) for (const column of TREE_COLUMNS) needed.add(column);
    const columns = columnsOf(input, needed);
    type Operand = LeafTree | Rows;
    const rowsOf = (operand: Operand): Rows =>
      "relation" in operand ? operand : logicRows(ctes, operand, input.rows, keys, columns);
    const result = foldTree<SpansetNode, Operand>(root, childrenOf, (node, results) => {
      switch (node.type) {
        case "leaf":
          return { type: "leaf", leaf: node.leaf };
        case "pipeline":
          return this.#run(node.stages, { ...input, attributes: [] }, new Set(columns), "rows")
            .rows;
        case "op": {
          const [left, right] = results as readonly [Operand, Operand];
          const { op } = node;
          const some = goal === "sets" && node === root;
          if (op !== "&&" && op !== "||") {
            const kept = some && op.startsWith("&") ? (op.slice(1) as typeof op) : op;
            const operands = { left: rowsOf(left), right: rowsOf(right), keys, columns };
            return structuralOperator(ctes, kept, operands);
          }
          if (!("relation" in left) && !("relation" in right)) return joinTrees(op, left, right);
          const operands = { left: rowsOf(left), right: rowsOf(right), keys, columns };
          return logicOperator(ctes, op, operands, some);
        }
        default:
          return node satisfies never;
      }
    });
    return rowsOf(result);
  }

  #scalarFilter(
    stage: PipelineStage & { type: "scalar-filter" },
    current: Spansets,
    live: ReadonlySet<string>,
    goal: Goal,
  ): Spansets {
    const { values } = this.#pipeline;
    const all = new Set(live);
    addColumnsOf([stage], all);
    return scalarFilter(
      {
        ctes: this.#ctes,
        values,
        carry: goal === "sets" ? this.#carry : [],
        shows: this.#output === "spansets",
        operand: (stages, input, needed) =>
          this.#run(stages, { ...input, attributes: [] }, needed, "rows").rows,
      },
      stage,
      current,
      { live, all, rows: goal === "rows" },
    );
  }
}

/** Groups at the end do not decide which traces there are. */
export function withoutLastGroups(stages: readonly PipelineStage[]): readonly PipelineStage[] {
  const last = stages.findLastIndex(({ type }) => type !== "group" && type !== "coalesce");
  return stages.slice(0, last + 1);
}
