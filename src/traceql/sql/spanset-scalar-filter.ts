import type { FieldExpr } from "../ast.ts";
import type { PipelineStage, ScalarNode } from "../plan/pipeline.ts";
import { keysOf, rowsInGroups, withKey } from "./spanset-keys.ts";
import {
  type Ctes,
  type Rows,
  readRows,
  type ShownAttribute,
  type Spansets,
} from "./spanset-relation.ts";
import { type AggregateSql, aggregateSql, scalarFilterSql, scalarParts } from "./spanset-scalar.ts";
import type { Value } from "./value.ts";

type ScalarFilterStage = PipelineStage & { readonly type: "scalar-filter" };
type PipelineScalar = ScalarNode & { readonly type: "pipeline" };

export type ScalarFilterContext = {
  readonly ctes: Ctes;
  /** Expressions of the columns `value0`, …. */
  readonly values: readonly FieldExpr[];
  /** Columns, the same on all rows of a trace, that the groups have too. */
  readonly carry: readonly string[];
  /** Aggregates become attributes of their spanset. */
  readonly shows: boolean;
  /** The rows that an operand's stages leave of `input`, with the columns `needed`. */
  operand(stages: readonly PipelineStage[], input: Spansets, needed: ReadonlySet<string>): Rows;
};

export type ScalarFilterNeeds = {
  /** Columns that are used after the filter, and those and what it reads itself. */
  readonly live: ReadonlySet<string>;
  readonly all: ReadonlySet<string>;
  /** False: one row of each spanset is enough. */
  readonly rows: boolean;
};

/**
 * The spansets for which the comparison holds. Cost: one GROUP BY, also of the `by()` stages just
 * before, one for each pipeline that is an operand, and a join where rows are wanted.
 */
export function scalarFilter(
  context: ScalarFilterContext,
  stage: ScalarFilterStage,
  current: Spansets,
  needs: ScalarFilterNeeds,
): Spansets {
  const { ctes } = context;
  const parts = [...scalarParts(stage.left), ...scalarParts(stage.right)];
  const operands = parts.filter((part) => part.type === "pipeline");
  const input = operands.length > 0 ? withKey(ctes, current, needs.all) : current;
  const { aggregates, valueOfPart: ownValue } = ownAggregates(context, parts);
  const keys = [...keysOf(input), ...input.groupedBy];
  const newKey = input.groupedBy.length > 0 ? ctes.column("set") : undefined;
  const grouped = [
    ...keys,
    ...(newKey === undefined ? [] : [`min(row_id) AS ${newKey}`]),
    ...context.carry.map((name) => `any_value(${name}) AS ${name}`),
    ...aggregates.flatMap(({ select }) => select),
  ];
  const groups = `${readRows(ctes, input.rows, grouped)} GROUP BY ${keys.join(", ")}`;
  const operandValues = new Map<ScalarNode, Value>();
  let joins = "";
  for (const part of operands) {
    const { relation, value } = operandGroups(context, part, input);
    joins += ` JOIN ${ctes.read(relation)} USING (${keys.join(", ")})`;
    operandValues.set(part, value);
  }
  const passes = scalarFilterSql(stage, (part) => operandValues.get(part) ?? ownValue(part));
  const attributes = context.shows
    ? aggregates.map((aggregate) => ({ ...aggregate, column: ctes.column("shown") }))
    : [];
  const kept = [
    ...keys,
    ...(newKey === undefined ? [] : [newKey]),
    ...context.carry,
    ...attributes.map(({ shown, column }) => `${shown.text} AS ${column}`),
  ];
  const passing = ctes.add(`SELECT ${kept.join(", ")} FROM (${groups})${joins} WHERE ${passes}`);
  const fromGroups = attributes.map(({ column }) => column);
  if (newKey !== undefined) fromGroups.push(newKey);
  return {
    rows: needs.rows
      ? rowsInGroups(ctes, input, passing, fromGroups, needs.live)
      : { relation: passing, condition: undefined },
    key: newKey ?? input.key,
    groupedBy: [],
    attributes: [
      ...input.attributes,
      ...attributes.map(({ name, column, sort }): ShownAttribute => ({ name, column, sort })),
    ],
  };
}

type NamedAggregate = AggregateSql & { readonly name: string };

/** Aggregates over the spanset itself: the same one twice is computed, and shown, once. */
function ownAggregates(
  { ctes, values }: ScalarFilterContext,
  parts: readonly ScalarNode[],
): { aggregates: readonly NamedAggregate[]; valueOfPart: (part: ScalarNode) => Value } {
  const byName = new Map<string, NamedAggregate>();
  for (const part of parts) {
    if (part.type !== "aggregate" || byName.has(part.name)) continue;
    const made = aggregateSql(part, values, ctes.column("agg"));
    byName.set(part.name, { ...made, name: part.name });
  }
  return {
    aggregates: [...byName.values()],
    valueOfPart: (part) => {
      const known = part.type === "aggregate" ? byName.get(part.name) : undefined;
      if (known === undefined) throw new Error("an operand of a scalar filter was not computed");
      return known.value;
    },
  };
}

/** One row for each spanset of `input` of which the operand's stages leave a span. */
function operandGroups(
  { ctes, values, operand }: ScalarFilterContext,
  part: PipelineScalar,
  input: Spansets,
): { readonly relation: string; readonly value: Value } {
  const keys = keysOf(input);
  const needed = new Set(keys);
  const { value } = part.aggregate;
  if (value !== undefined) needed.add(`value${value}`);
  const rows = operand(part.stages, input, needed);
  const aggregate = aggregateSql(part.aggregate, values, ctes.column("agg"));
  const columns = [...keys, ...aggregate.select];
  const relation = ctes.add(`${readRows(ctes, rows, columns)} GROUP BY ${keys.join(", ")}`);
  return { relation, value: aggregate.value };
}
