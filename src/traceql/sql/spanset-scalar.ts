import type { FieldExpr } from "../ast.ts";
import type { PipelineStage, ScalarNode } from "../plan/pipeline.ts";
import { foldTree } from "../walk.ts";
import { arithmetic } from "./arithmetic.ts";
import { compareValues } from "./compare.ts";
import { structOf } from "./field.ts";
import { LambdaNames } from "./names.ts";
import type { ShownAttribute } from "./spanset-relation.ts";
import { rawSql, type Sql, sql } from "./sql.ts";
import { literalValue, type Value } from "./value.ts";
import { valueSort } from "./value-to-sql.ts";

export type AggregateNode = ScalarNode & { readonly type: "aggregate" };

/** An aggregate over the spans of a spanset. */
export type AggregateSql = {
  /** For the SELECT list of a GROUP BY: columns named after the aggregate. */
  readonly select: readonly string[];
  /** Over those columns. */
  readonly value: Value;
  /** As `value`, of `ECHO_TYPE`. */
  readonly shown: Sql;
  readonly sort: ShownAttribute["sort"];
};

/**
 * Spans without a number do not count, and an aggregate of none is NULL. The columns are called
 * `name` with `_i` for an integer (durations in ns), `_d` for a double: at most one is not NULL.
 * An int sum ends at the bounds of int64; NaN is neither the least nor the greatest.
 */
export function aggregateSql(
  node: AggregateNode,
  values: readonly FieldExpr[],
  name: string,
): AggregateSql {
  const i = rawSql(`${name}_i`);
  const d = rawSql(`${name}_d`);
  const integer = (text: string, sort: "plain" | "duration"): AggregateSql => ({
    select: [`${text} AS ${i.text}`],
    value: {
      scalars: sort === "duration" ? { duration: i } : { int: i },
      lists: {},
      present: node.fn === "count",
    },
    shown: structOf({ i }),
    sort,
  });
  if (node.value === undefined) return integer("count(*)", "plain");
  const expr = values[node.value]!;
  const column = `value${node.value}`;
  if (valueSort(expr) === "duration")
    return integer(durationSql(node.fn, `(${column}).i`), "duration");
  const [ofInts, ofDoubles] = numberSql(node.fn, `(${column}).i`, `(${column}).d`);
  return {
    select: [`${ofInts} AS ${i.text}`, `${ofDoubles} AS ${d.text}`],
    value: { scalars: { int: i, double: d }, lists: {}, present: false },
    shown: sql`CASE WHEN ${i} IS NOT NULL OR ${d} IS NOT NULL THEN ${structOf({ i, d })} END`,
    sort: "plain",
  };
}

function durationSql(fn: AggregateNode["fn"], i: string): string {
  switch (fn) {
    case "min":
    case "max":
      return `${fn}(${i})`;
    case "sum":
      return saturated(`sum(${i})`);
    case "avg":
      // The sum is exact, the division truncates, and a mean of int64s is an int64.
      return `CAST(sum(${i}) // count(${i}) AS BIGINT)`;
    case "count":
      return "count(*)";
    default:
      return fn satisfies never;
  }
}

/** The integer and the double; attributes may be either on each span. */
function numberSql(fn: AggregateNode["fn"], i: string, d: string): [string, string] {
  const finite = `${d}) FILTER (NOT isnan(${d})`;
  switch (fn) {
    case "min":
    case "max": {
      const [int, double] = [`${fn}(${i})`, `${fn}(${finite})`];
      const first = `CAST(${int} AS DOUBLE) ${fn === "min" ? "<=" : ">="} ${double}`;
      return [
        `CASE WHEN ${double} IS NULL OR ${first} THEN ${int} END`,
        `CASE WHEN ${int} IS NULL OR NOT ${first} THEN ${double} END`,
      ];
    }
    case "sum":
      return [
        `CASE WHEN count(${d}) = 0 THEN ${saturated(`sum(${i})`)} END`,
        `CASE WHEN count(${d}) > 0 THEN ${total(i, d)} END`,
      ];
    case "avg":
      return ["CAST(NULL AS BIGINT)", `${total(i, d)} / nullif(count(${i}) + count(${d}), 0)`];
    case "count":
      return ["count(*)", "CAST(NULL AS DOUBLE)"];
    default:
      return fn satisfies never;
  }
}

function total(i: string, d: string): string {
  return `(COALESCE(CAST(sum(${i}) AS DOUBLE), 0) + COALESCE(sum(${d}), 0))`;
}

/** A HUGEINT within int64. NULL stays: `least` and `greatest` would pass over it. */
function saturated(huge: string): string {
  const { text } = sql`greatest(least(${rawSql(huge)}, ${2n ** 63n - 1n}), ${-(2n ** 63n)})`;
  return `CASE WHEN ${huge} IS NOT NULL THEN CAST(${text} AS BIGINT) END`;
}

/** Leaves of a scalar expression that SQL computes by a GROUP BY: aggregates, and pipelines. */
export function scalarParts(expr: ScalarNode): ScalarNode[] {
  const parts: ScalarNode[] = [];
  foldTree<ScalarNode, void>(expr, scalarChildren, (node) => {
    if (node.type === "aggregate" || node.type === "pipeline") parts.push(node);
  });
  return parts;
}

function scalarChildren(node: ScalarNode): readonly ScalarNode[] {
  return node.type === "op" ? [node.left, node.right] : [];
}

/** True where the comparison holds, false or NULL elsewhere; `valueOfPart` knows `scalarParts`. */
export function scalarFilterSql(
  filter: PipelineStage & { readonly type: "scalar-filter" },
  valueOfPart: (part: ScalarNode) => Value,
): string {
  const names = new LambdaNames();
  const value = (expr: ScalarNode): Value =>
    foldTree<ScalarNode, Value>(expr, scalarChildren, (node, results) => {
      switch (node.type) {
        case "static":
          return literalValue(node.value);
        case "op":
          return arithmetic(node.op, results[0]!, results[1]!, names);
        case "aggregate":
        case "pipeline":
          return valueOfPart(node);
        default:
          return node satisfies never;
      }
    });
  return compareValues(filter.op, value(filter.left), value(filter.right), names).sql.text;
}
