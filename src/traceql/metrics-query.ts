import type { ArithmeticOp, Hint, Query, SecondStage, Static } from "./ast.ts";
import { printHints, printQuery, printSecondStage, printStatic } from "./print.ts";
import { foldTree } from "./walk.ts";

/**
 * A metrics query, or arithmetic between several, which Tempo does not have: series with the same
 * labels meet. Every plain query is one too, then with no second stages and hints out here.
 */
export type MetricsQuery = {
  readonly expr: MetricsExpr;
  /** Of the whole, after those of its queries. */
  readonly second: readonly SecondStage[];
  readonly hints: readonly Hint[];
};

export type MetricsExpr =
  | { readonly type: "query"; readonly query: Query }
  | { readonly type: "number"; readonly value: NumberStatic }
  | {
      readonly type: "operation";
      readonly op: ArithmeticOp;
      readonly left: MetricsExpr;
      readonly right: MetricsExpr;
    };

export type NumberStatic = Extract<Static, { type: "int" | "float" | "duration" }>;

/** Calls `visit` for each node, operands before their operation, without recursion. */
export function foldMetrics<T>(
  expr: MetricsExpr,
  visit: (node: MetricsExpr, results: readonly T[]) => T,
): T {
  return foldTree<MetricsExpr, T>(
    expr,
    (node) => (node.type === "operation" ? [node.left, node.right] : []),
    visit,
  );
}

/** The queries of an expression, from left to right. */
export function queriesOf(expr: MetricsExpr): Query[] {
  const found: Query[] = [];
  foldMetrics<void>(expr, (node) => {
    if (node.type === "query") found.push(node.query);
  });
  return found;
}

/** Canonical text; parsing it gives the same tree. */
export function printMetricsQuery({ expr, second, hints }: MetricsQuery): string {
  if (expr.type === "query" && second.length === 0 && hints.length === 0) {
    return printQuery(expr.query);
  }
  const text = foldMetrics<string>(expr, (node, results) => {
    switch (node.type) {
      case "query":
        return `(${printQuery(node.query)})`;
      case "number":
        return printStatic(node.value);
      case "operation":
        return node === expr
          ? `${results[0]} ${node.op} ${results[1]}`
          : `(${results[0]} ${node.op} ${results[1]})`;
      default:
        return node satisfies never;
    }
  });
  return text + second.map(printSecondStage).join("") + printHints(hints);
}
