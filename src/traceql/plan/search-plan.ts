import type { FieldExpr, FieldRef, Query, SpansetExpr } from "../ast.ts";
import { constantValue } from "../fold.ts";
import { printField } from "../print.ts";
import { notSupportedYet } from "../traceql-error.ts";
import { addStageFields, FieldSet, foldSpanset } from "../walk.ts";

/** How the traces that match the leaves combine. Left-deep for a chain, so walk it by a loop. */
export type SearchTree =
  | { readonly type: "leaf"; readonly index: number }
  | { readonly type: "and" | "or"; readonly left: SearchTree; readonly right: SearchTree };

export type SearchPlan = {
  /** The filters, each once. */
  readonly leaves: readonly FieldExpr[];
  readonly tree: SearchTree;
  /** Every field that the spanset pipeline mentions, each once, in order of mention. */
  readonly fields: readonly FieldRef[];
  /** No trace can match; there is nothing to run. */
  readonly constantFalse: boolean;
};

/**
 * The plan of a checked query: filters joined by `&&` and `||`, then perhaps `select()`. A metrics
 * stage and hints play no part in a search. Throws kind `unsupported` for any other stage.
 */
export function planSearch(query: Query): SearchPlan {
  const [first, ...rest] = query.stages;
  if (first === undefined) throw new Error("a query has no stage");
  for (const stage of rest)
    if (stage.type !== "select") throw notSupportedYet(stageName(stage.type));
  const fields = new FieldSet();
  addStageFields(query.stages, fields);
  if (first.type !== "filter" && first.type !== "spanset-op" && first.type !== "pipeline") {
    throw notSupportedYet(`${stageName(first.type)} as the first stage`);
  }
  const { leaves, tree, constantFalse } = planSpanset(first);
  return { leaves, tree, fields: fields.list(), constantFalse };
}

function stageName(type: string): string {
  switch (type) {
    case "group":
      return "by()";
    case "coalesce":
      return "coalesce()";
    case "select":
      return "select()";
    case "scalar-filter":
      return "a comparison of aggregates";
    default:
      return "a spanset filter after the first stage";
  }
}

function planSpanset(expr: SpansetExpr): Omit<SearchPlan, "fields"> {
  const leaves: FieldExpr[] = [];
  const indexes = new Map<string, number>();
  type Planned = { readonly tree: SearchTree; readonly never: boolean };
  const planned = foldSpanset<Planned>(expr, (node, results) => {
    switch (node.type) {
      case "filter": {
        const text = printField(node.expr);
        let index = indexes.get(text);
        if (index === undefined) {
          index = leaves.push(node.expr) - 1;
          indexes.set(text, index);
        }
        return { tree: { type: "leaf", index }, never: constantValue(node.expr) === false };
      }
      case "spanset-op": {
        if (node.op !== "&&" && node.op !== "||") {
          throw notSupportedYet(`the spanset operator ${node.op}`);
        }
        const type = node.op === "&&" ? "and" : "or";
        const [left, right] = results as readonly [Planned, Planned];
        const never = type === "and" ? left.never || right.never : left.never && right.never;
        return { tree: { type, left: left.tree, right: right.tree }, never };
      }
      case "pipeline":
        throw notSupportedYet("a parenthesised pipeline");
      default:
        return node satisfies never;
    }
  });
  return { leaves, tree: planned.tree, constantFalse: planned.never };
}
