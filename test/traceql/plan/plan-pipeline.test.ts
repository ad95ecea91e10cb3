import { expect, test } from "vitest";
import { fieldText } from "../../../src/traceql/field-text.ts";
import { parseQuery } from "../../../src/traceql/parser.ts";
import { planPipeline } from "../../../src/traceql/plan/plan-pipeline.ts";
import { printField } from "../../../src/traceql/print.ts";

const plan = (text: string) => planPipeline(parseQuery(text));

test("equal filters are one leaf, fields come once and in order", () => {
  const { leaves, stages, fields, constantFalse } = plan(
    "({ .b = 1 } || { .a = 1 }) && { .b = 1 } | select(name, .a) | rate() by(kind) with(most_recent=true)",
  );
  expect(leaves.map(printField)).toEqual([".b = 1", ".a = 1"]);
  const leaf = (number: number) => ({ type: "leaf", leaf: number });
  const left = { type: "op", op: "||", left: leaf(0), right: leaf(1) };
  expect(stages).toEqual([
    { type: "spanset", expr: { type: "op", op: "&&", left, right: leaf(0) } },
  ]);
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

test.each([
  ["by(kind) | count() > 1", [0], 1],
  ["{ .a } | { .b } | count() > 1", [0], 2],
  ["({ .a } | count() > 1) >> { .b }", [0, 1], 2],
  ["{ .a } || { .b } && { .a }", [0, 1], 2],
])("spans come into %s by the leaves %j", (text, seeds, leafCount) => {
  const pipeline = plan(text);
  expect(pipeline.seeds).toEqual(seeds);
  expect(pipeline.leaves).toHaveLength(leafCount);
});

test.each([
  ["{ .a } && { .b } | count() > 1", false],
  ["{ .a } > { .b }", true],
  ["{ rootName = `x` }", true],
  ["{ .a } | select(nestedSetLeft)", true],
  ["{ parent.a = 1 }", true],
  ["({ .a } ~ {} | count() > 1) && {}", true],
])("%s needs whole traces: %s", (text, expected) => {
  expect(plan(text).needsWholeTraces).toBe(expected);
});

test("a chain of more filters than a statement should hold is refused", () => {
  const chain = (length: number) => Array.from({ length }, (_, i) => `{ .a${i} }`).join(" || ");
  expect(plan(chain(256)).leaves).toHaveLength(256);
  expect(() => plan(chain(3000))).toThrow("query has 3000 spanset filters, the limit is 256");
});
