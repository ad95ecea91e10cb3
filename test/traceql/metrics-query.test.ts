import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ArithmeticOp } from "../../src/traceql/ast.ts";
import {
  type MetricsExpr,
  type MetricsQuery,
  printMetricsQuery,
  queriesOf,
} from "../../src/traceql/metrics-query.ts";
import { parseMetricsQuery } from "../../src/traceql/metrics-query-parser.ts";
import { parseQuery } from "../../src/traceql/parser.ts";

const again = (text: string): string => printMetricsQuery(parseMetricsQuery(text));

describe("precedence", () => {
  const q = "({ true } | rate())";
  test.each([
    [`${q} + ${q} * 2`, `${q} + (${q} * 2)`],
    [`${q} - ${q} - 1`, `(${q} - ${q}) - 1`],
    [`${q} ^ 2 ^ 3`, `${q} ^ (2 ^ 3)`],
    [`(${q} + 1) / -2`, `(${q} + 1) / -2`],
    [`((${q})) % 500ms`, `${q} % 500ms`],
    [
      `${q} / ${q} > 0.5 | topk(3) with(exemplars=2)`,
      `${q} / ${q} > 0.5 | topk(3) with(exemplars=2)`,
    ],
    [`${q} | topk(1)`, `${q} | topk(1)`],
  ])("%s reads %s", (text, expected) => {
    expect(again(text)).toBe(expected);
    expect(again(expected)).toBe(expected);
  });
});

test.each([
  "{ } | rate()",
  "({ .a } || { .b }) && { .c } | rate() by (.x) | topk(2)",
  "{ } | compare({ .a = `| rate()` }, 5)",
  "({ } | count()) > ({ } | count())",
])("the plain query %s stays one", (text) => {
  expect(parseMetricsQuery(text)).toEqual({
    expr: { type: "query", query: parseQuery(text) },
    second: [],
    hints: [],
  });
});

test("what is printed reads the same", () => {
  const query = fc.constantFrom(
    "{ true } | rate()",
    "{ .a = 1 } | quantile_over_time(duration, 0.5) by(.x) | topk(3)",
    "({ .a } || { .b }) | max_over_time(.n) > 5 with(sample=true)",
  );
  const expr: fc.Arbitrary<MetricsExpr> = fc.letrec<{ expr: MetricsExpr }>((tie) => ({
    expr: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      query.map((text): MetricsExpr => ({ type: "query", query: parseQuery(text) })),
      fc.record({
        type: fc.constant("number" as const),
        value: fc.record({ type: fc.constant("int" as const), value: fc.bigInt(-9n, 9n) }),
      }),
      fc.record({
        type: fc.constant("operation" as const),
        op: fc.constantFrom<ArithmeticOp>("+", "-", "*", "/", "%", "^"),
        left: tie("expr"),
        right: tie("expr"),
      }),
    ),
  })).expr;
  fc.assert(
    fc.property(expr, (made) => {
      // Without a query in parentheses it is not arithmetic between queries.
      fc.pre(queriesOf(made).length > 0);
      const whole: MetricsQuery = { expr: made, second: [], hints: [] };
      expect(parseMetricsQuery(printMetricsQuery(whole))).toEqual(whole);
    }),
  );
});
