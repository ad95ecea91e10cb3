import { describe, expect, test } from "vitest";
import { fieldText } from "../../../src/traceql/field-text.ts";
import { parseQuery } from "../../../src/traceql/parser.ts";
import { planSearch } from "../../../src/traceql/plan/search-plan.ts";
import { printField } from "../../../src/traceql/print.ts";

const plan = (text: string) => planSearch(parseQuery(text));

test("equal filters are one leaf, fields come once and in order", () => {
  const { leaves, tree, fields, constantFalse } = plan(
    "({ .b = 1 } || { .a = 1 }) && { .b = 1 } | select(name, .a) | rate() by(kind) with(most_recent=true)",
  );
  expect(leaves.map(printField)).toEqual([".b = 1", ".a = 1"]);
  expect(tree).toEqual({
    type: "and",
    left: { type: "or", left: { type: "leaf", index: 0 }, right: { type: "leaf", index: 1 } },
    right: { type: "leaf", index: 0 },
  });
  expect(fields.map(fieldText)).toEqual([".b", ".a", "name"]);
  expect(constantFalse).toBe(false);
});

test.each([
  ["{ false }", true],
  ["{ 3 = 4 }", true],
  ["{ false } && {}", true],
  ["{ false } || {}", false],
  ["{ false } || { 1 > 2 }", true],
  ["{ 1 / 0 = 1 }", false],
  ["{}", false],
])("%s is constant false: %s", (text, expected) => {
  expect(plan(text).constantFalse).toBe(expected);
});

describe("what a search does not offer yet", () => {
  test.each([
    "{} >> {}",
    "{} && {} ~ {}",
    "{} !< {}",
    "{} &> {}",
    "{} | by(name)",
    "{} | count() > 1",
    "{} | by(name) | coalesce()",
    "{} | { .a }",
    "({} | count() > 1) && {}",
    "by(name)",
    "select(name)",
    "count() > 1",
  ])("%s", (text) => {
    expect(() => plan(text)).toThrow(/ not supported yet$/);
  });
});

test("a chain of thousands of filters is planned", () => {
  const text = Array.from({ length: 3000 }, (_, i) => `{ .a${i} }`).join(" || ");
  expect(plan(text).leaves).toHaveLength(3000);
});
