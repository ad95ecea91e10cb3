import { expect, test } from "vitest";
import {
  countsSpans,
  maySatisfy,
  requiredLeaves,
  treeOfFilters,
} from "../../src/query/spanset-tree.ts";
import { parseQuery } from "../../src/traceql/parser.ts";
import { planPipeline } from "../../src/traceql/plan/plan-pipeline.ts";

const plan = (text: string) => planPipeline(parseQuery(text));

test.each([
  ["{ .a }", true],
  ["{ .a } && ({ .b } || { .a }) | select(nestedSetLeft)", true],
  ["{ .a } > { .b }", false],
  ["{ .a } | { .b }", false],
  ["{ .a } | count() > 1", false],
  ["({ .a } | count() > 1) && { .b }", false],
  ["{ rootName = `x` }", false],
  ["{ parent.a = 1 } || { .b }", false],
])("%s is a tree of filters of single spans: %s", (text, expected) => {
  expect(treeOfFilters(plan(text)) !== undefined).toBe(expected);
});

// Leaf 0 is `.a`, 1 is `.b`, 2 is `.c`.
test.each([
  ["{ .a } && { .b }", [0, 1]],
  ["{ .a } || { .b }", []],
  ["({ .a } && { .b }) || ({ .b } && { .c })", [1]],
  ["{ .a } >> { .b }", [0, 1]],
  ["{ .a } &~ { .b }", [0, 1]],
  ["{ .a } !>> { .b }", [1]],
  ["({ .a } | { .b }) > { .c }", [0, 2]],
  ["{ .a } | { .b } > { .c }", [0]],
])("in every trace of %s there must be matches of %j", (text, expected) => {
  const { stages, leaves } = plan(text);
  expect([...requiredLeaves(stages)].sort()).toEqual(expected);
  for (const missing of leaves.keys()) {
    const satisfiable = maySatisfy(stages, (leaf) => leaf !== missing);
    if (expected.includes(missing as never)) expect(satisfiable).toBe(false);
  }
  expect(maySatisfy(stages, () => true)).toBe(true);
});

test("a later filter must have a match somewhere too", () => {
  expect(maySatisfy(plan("{ .a } | { .b } > { .c }").stages, (leaf) => leaf !== 2)).toBe(false);
});

test.each([
  ["{ .a } | count() > 1", true],
  ["{ .a } | min(.b) > 1", false],
  ["{ .a } | min(.b) < avg(.c)", true],
  ["{ .a } | by(.b) | max(.c) - min(.c) > 1", false],
  ["({ .a } | sum(.b) > 1) >> { .c }", true],
  ["({ .a } | count()) > ({ .b } | count())", true],
  ["{ .a } > { .b }", false],
])("%s counts spans: %s", (text, expected) => {
  expect(countsSpans(plan(text).stages)).toBe(expected);
});
