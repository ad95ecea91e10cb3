import type { Pipeline, PipelineStage, ScalarNode, SpansetNode } from "../plan/pipeline.ts";
import { foldTree } from "../walk.ts";
import type { AnyValueLike } from "./field.ts";
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
  type ShownAttribute,
  type Spansets,
  whereSql,
} from "./spanset-relation.ts";
import { type AggregateSql, aggregateSql, scalarFilterSql, scalarParts } from "./spanset-scalar.ts";
import { checkSqlLength, quoteIdentifier } from "./sql.ts";
import type { Value } from "./value.ts";
import { decodeValueOfSort, valueSort } from "./value-to-sql.ts";

/**
 * What the result relation has, beside `carry`:
 * - `traces`: `trace_id`, at least once for each trace with a spanset.
 * - `spans`: `trace_id`, `row_id`; each span that is in a spanset, once.
 * - `spansets`: `trace_id`, `spanset` (BIGINT, tells the spansets of a trace apart), `row_id`, and
 *   `attr0`, `attr1`, … of `ECHO_TYPE`, the attributes of the span's spanset in order.
 */
export type PipelineOutput = "traces" | "spans" | "spansets";

export type PipelineSqlOptions = {
  readonly output: PipelineOutput;
  /** Further columns of the base that the result has. For `traces` they must be the same on all rows of a trace. */
  readonly carry?: readonly string[];
  /** Begins the names of the CTEs, for several pipelines in one statement. */
  readonly prefix?: string;
};

export type SpansetAttribute = {
  /** `by(resource.service.name)`, `avg(duration)`. */
  readonly name: string;
  /** Of a value of its column: structs as objects, 64-bit integers as bigint. */
  decode(value: unknown): AnyValueLike;
};

export type PipelineSql = {
  /** Common table expressions joined by commas, to follow the base in one WITH. */
  readonly ctes: string;
  /** Which of them is the result. */
  readonly relation: string;
  /** Of `attr0`, …; empty unless the output is `spansets`. */
  readonly attributes: readonly SpansetAttribute[];
  /** How often the base is read: materialise it when it is dear to make and read more than once. */
  readonly baseReads: number;
};

/**
 * A pipeline as SQL over the relation `base`, one row for each span of the traces in question that
 * matches any of `pipeline.seeds` (more rows do no harm, less do), with the columns
 * - `trace_id`, of any type, never NULL; `row_id` BIGINT, unique,
 * - `nested_left`, `nested_right`, `nested_parent`, the numbers of the whole trace,
 * - `leaf0`, … BOOLEAN, never NULL: `filterToSql` of each of `pipeline.leaves`,
 * - `value0`, … of `ECHO_TYPE`: `valueToSql` of each of `pipeline.values`.
 * Only those that the pipeline mentions are read. A span that was sent twice must have one row.
 *
 * The statement never fails at run time, whatever the data. Cost: a hash join for each structural
 * operator, a GROUP BY and a join for each run of `by()` and scalar filters, and nothing for
 * filters in a row. Throws `TraceQLError` when the text grows too long.
 */
export function pipelineToSql(
  pipeline: Pipeline,
  base: string,
  options: PipelineSqlOptions,
): PipelineSql {
  return new PipelineCompiler(pipeline, base, options).compile();
}

/** What a caller goes on to use: the rows of the spansets, or only which spansets there are. */
type Goal = "rows" | "sets";

class PipelineCompiler {
  readonly #pipeline: Pipeline;
  readonly #base: string;
  readonly #output: PipelineOutput;
  readonly #carry: readonly string[];
  readonly #ctes: Ctes;
  #names = 0;

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
    if (shows) result = this.#withKey(result, this.#columns(result, live));
    const columns = ["trace_id"];
    if (shows) columns.push(`${result.key ?? "CAST(0 AS BIGINT)"} AS spanset`);
    if (output !== "traces") columns.push("row_id");
    const attributes = shows ? result.attributes : [];
    for (const [i, { column }] of attributes.entries()) columns.push(`${column} AS attr${i}`);
    columns.push(...this.#carry);
    const relation = this.#ctes.add(`SELECT ${columns.join(", ")} FROM ${this.#read(result.rows)}`);
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
    const keyed = this.#withKey(current, this.#columns(current, all));
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
    const columns = this.#columns(input, needed);
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
    const parts = [...scalarParts(stage.left), ...scalarParts(stage.right)];
    const all = new Set(live);
    addColumnsOf([stage], all);
    const operands = parts.some((part) => part.type === "pipeline");
    const input = operands ? this.#withKey(current, this.#columns(current, all)) : current;
    const keys = [...keysOf(input), ...input.groupedBy];
    const newKey = input.groupedBy.length > 0 ? this.#name("set") : undefined;
    const grouped = [...keys];
    if (newKey !== undefined) grouped.push(`min(row_id) AS ${newKey}`);
    if (goal === "sets") {
      grouped.push(...this.#carry.map((name) => `any_value(${name}) AS ${name}`));
    }
    // The same aggregate twice is computed, and shown, once.
    const own = new Map<string, AggregateSql & { readonly name: string }>();
    const values = new Map<ScalarNode, Value>();
    const joins: string[] = [];
    for (const part of parts) {
      if (part.type === "aggregate") {
        let known = own.get(part.name);
        if (known === undefined) {
          known = { ...this.#aggregate(part), name: part.name };
          grouped.push(...known.select);
          own.set(part.name, known);
        }
        values.set(part, known.value);
      } else if (part.type === "pipeline") {
        const inner = this.#operandScalar(part, input, keys);
        joins.push(` JOIN ${this.#ctes.read(inner.relation)} USING (${keys.join(", ")})`);
        values.set(part, inner.value);
      }
    }
    const groups = `SELECT ${grouped.join(", ")} FROM ${this.#read(input.rows)} GROUP BY ${keys.join(", ")}`;
    const shown = this.#output === "spansets" ? [...own.values()] : [];
    const added = shown.map(({ name, sort, shown: text }): ShownAttribute & { text: string } => ({
      name,
      sort,
      column: this.#name("shown"),
      text: text.text,
    }));
    const passes = scalarFilterSql(stage, (part) => values.get(part)!);
    const kept = [
      ...keys,
      ...(newKey === undefined ? [] : [newKey]),
      ...added.map(({ text, column }) => `${text} AS ${column}`),
      ...(goal === "sets" ? this.#carry : []),
    ];
    const passing = this.#ctes.add(
      `SELECT ${kept.join(", ")} FROM (${groups})${joins.join("")} WHERE ${passes}`,
    );
    const next: Spansets = {
      rows: { relation: passing, condition: undefined },
      key: newKey ?? input.key,
      groupedBy: [],
      attributes: [...input.attributes, ...added],
    };
    if (goal === "sets") return next;
    const fromGroups = [
      ...(newKey === undefined ? [] : [newKey]),
      ...added.map(({ column }) => column),
    ];
    return { ...next, rows: this.#rejoined(input, passing, fromGroups, live) };
  }

  /** The rows of `spansets` that are in a group of `groups`, with its columns `fromGroups`. */
  #rejoined(
    spansets: Spansets,
    groups: string,
    fromGroups: readonly string[],
    live: ReadonlySet<string>,
  ): Rows {
    const columns = this.#columns(spansets, live);
    const read = [...new Set([...columns, ...spansets.groupedBy])];
    const on = [
      ...keysOf(spansets).map((key) => `s.${key} = t.${key}`),
      ...spansets.groupedBy.map((value) => `s.${value} IS NOT DISTINCT FROM t.${value}`),
    ].join(" AND ");
    const shown = [
      ...columns.map((column) => `s.${column}`),
      ...fromGroups.map((column) => `t.${column}`),
    ].join(", ");
    const text = `SELECT ${shown} FROM (SELECT ${read.join(", ")} FROM ${this.#read(spansets.rows)}) AS s
    ${fromGroups.length === 0 ? "SEMI JOIN" : "JOIN"} ${this.#ctes.read(groups)} AS t ON ${on}`;
    return { relation: this.#ctes.add(text), condition: undefined };
  }

  /** One row for each spanset of `input` of which the operand's stages leave a span. */
  #operandScalar(
    part: ScalarNode & { type: "pipeline" },
    input: Spansets,
    keys: readonly string[],
  ): { readonly relation: string; readonly value: Value } {
    const live = new Set(keys);
    const { value } = part.aggregate;
    if (value !== undefined) live.add(`value${value}`);
    const { rows } = this.#run(part.stages, { ...input, attributes: [] }, live, "rows");
    const { select, value: result } = this.#aggregate(part.aggregate);
    const relation = this.#ctes.add(
      `SELECT ${[...keys, ...select].join(", ")} FROM ${this.#read(rows)} GROUP BY ${keys.join(", ")}`,
    );
    return { relation, value: result };
  }

  #aggregate(node: ScalarNode & { type: "aggregate" }): AggregateSql {
    return aggregateSql(node, this.#pipeline.values, this.#name("agg"));
  }

  /** As `spansets`, told apart by a column: the least row id of each. */
  #withKey(spansets: Spansets, live: readonly string[]): Spansets {
    const { groupedBy, rows } = spansets;
    if (groupedBy.length === 0) return spansets;
    const key = this.#name("set");
    const keys = [...keysOf(spansets), ...groupedBy].join(", ");
    const groups = this.#ctes.add(
      `SELECT ${keys}, min(row_id) AS ${key} FROM ${this.#read(rows)} GROUP BY ${keys}`,
    );
    const keyed = this.#rejoined(spansets, groups, [key], new Set(live));
    return { ...spansets, rows: keyed, key, groupedBy: [] };
  }

  /** The columns that rows of `spansets` need on the way to what is `live`. */
  #columns(spansets: Spansets, live: ReadonlySet<string>): string[] {
    const columns = new Set(["trace_id", "row_id"]);
    if (spansets.key !== undefined) columns.add(spansets.key);
    for (const { column } of spansets.attributes) columns.add(column);
    for (const column of live) columns.add(column);
    return [...columns];
  }

  #read({ relation, condition }: Rows): string {
    return `${this.#ctes.read(relation)}${whereSql(condition)}`;
  }

  #name(sort: string): string {
    return `${sort}_${this.#names++}`;
  }
}

const TREE_COLUMNS = ["nested_left", "nested_right", "nested_parent"] as const;

function keysOf({ key }: Spansets): string[] {
  return key === undefined ? ["trace_id"] : ["trace_id", key];
}

function childrenOf(node: SpansetNode): readonly SpansetNode[] {
  return node.type === "op" ? [node.left, node.right] : [];
}

/** The expression as filters and logic alone; undefined when it has anything else. */
function leafTree(expr: SpansetNode): LeafTree | undefined {
  return foldTree<SpansetNode, LeafTree | undefined>(expr, childrenOf, (node, results) => {
    if (node.type === "leaf") return node;
    if (node.type === "pipeline" || (node.op !== "&&" && node.op !== "||")) return undefined;
    const [left, right] = results;
    return left === undefined || right === undefined ? undefined : joinTrees(node.op, left, right);
  });
}

function hasStructure(expr: SpansetNode): boolean {
  return foldTree<SpansetNode, boolean>(
    expr,
    childrenOf,
    (node, results) =>
      results.some((found) => found) ||
      (node.type === "op" && node.op !== "&&" && node.op !== "||"),
  );
}

/** Groups at the end do not decide which traces there are. */
function withoutLastGroups(stages: readonly PipelineStage[]): readonly PipelineStage[] {
  const last = stages.findLastIndex(({ type }) => type !== "group" && type !== "coalesce");
  return stages.slice(0, last + 1);
}

/** Adds the columns of the base that the stages read. */
function addColumnsOf(stages: readonly PipelineStage[], columns: Set<string>): void {
  const scalar = (expr: ScalarNode): void => {
    for (const part of scalarParts(expr)) {
      const aggregate = part.type === "pipeline" ? part.aggregate : part;
      if (aggregate.type === "aggregate" && aggregate.value !== undefined) {
        columns.add(`value${aggregate.value}`);
      }
      if (part.type === "pipeline") addColumnsOf(part.stages, columns);
    }
  };
  for (const stage of stages) {
    switch (stage.type) {
      case "spanset":
        foldTree<SpansetNode, void>(stage.expr, childrenOf, (node) => {
          if (node.type === "leaf") columns.add(`leaf${node.leaf}`);
          else if (node.type === "pipeline") addColumnsOf(node.stages, columns);
        });
        if (hasStructure(stage.expr)) for (const column of TREE_COLUMNS) columns.add(column);
        break;
      case "group":
        columns.add(`value${stage.value}`);
        break;
      case "scalar-filter":
        scalar(stage.left);
        scalar(stage.right);
        break;
      case "coalesce":
        break;
      default:
        stage satisfies never;
    }
  }
}
