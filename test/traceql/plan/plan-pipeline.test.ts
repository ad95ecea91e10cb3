import { describe, expect, test } from "vitest";
import { checkQuery } from "../../../src/traceql/check/check.ts";
import { fieldText } from "../../../src/traceql/field-text.ts";
import { parseQuery } from "../../../src/traceql/parser.ts";
import type { Pipeline } from "../../../src/traceql/plan/pipeline.ts";
import {
  MAX_LEAVES,
  MAX_LOGIC_LEVELS,
  MAX_STAGES,
  MAX_STRUCTURAL_OPERATORS,
  MAX_VALUES,
  planPipeline,
} from "../../../src/traceql/plan/plan-pipeline.ts";
import { printField } from "../../../src/traceql/print.ts";
import { pipelineToSql } from "../../../src/traceql/sql/pipeline-to-sql.ts";

function plan(text: string): Pipeline {
  const query = parseQuery(text);
  checkQuery(query);
  return planPipeline(query);
}

test("filters and values are taken out, each once", () => {
  const { leaves, values, stages, seeds } = plan(
    "{ .a } && { .b } | { .a } | by(.c) | max(.c) > 1 | avg(duration) < 2 * 3",
  );
  expect(leaves.map(printField)).toEqual([".a", ".b"]);
  expect(values.map(printField)).toEqual([".c", "duration"]);
  expect(stages.map(({ type }) => type)).toEqual([
    "spanset",
    "spanset",
    "group",
    "scalar-filter",
    "scalar-filter",
  ]);
  expect(seeds).toEqual([0, 1]);
});

test.each([
  ["{ .a } | { .b }", [".a"]],
  ["by(kind) | { .b }", ["true"]],
  ["count() > 1", ["true"]],
  ["select(name) | { .a }", ["true"]],
  ["({ .a } | { .b }) && ({ .c } | { .d })", [".a", ".c"]],
  ["(by(kind) | { .b }) && { .c }", [".c", "true"]],
  ["({ .a } | count()) > ({ .b } | count())", ["true"]],
  ["({ .a } | by(kind) | count() > 1)", [".a"]],
])("spans come into %s by %s", (text, expected) => {
  const { leaves, seeds } = plan(text);
  expect(seeds.map((leaf) => printField(leaves[leaf]!)).sort()).toEqual(expected);
});

test("constants are folded before filters are told apart", () => {
  const { leaves } = plan("{ 3 = 4 } || { false } || { .a = 2 * 3 } || { .a = 6 }");
  expect(leaves.map(printField)).toEqual(["false", ".a = 6"]);
});

test("fields are listed once each, in order of mention", () => {
  const { fields } = plan(
    "{ .a && name = `x` } >> { span.b } | by(.a) | max(.c) > avg(duration) | select(resource.d, parent.e)",
  );
  expect(fields.map(fieldText)).toEqual([
    ".a",
    "name",
    "span.b",
    ".c",
    "duration",
    "resource.d",
    "parent.e",
  ]);
});

test.each([
  ["{ .a } && { .b }", false],
  ["{ .a } | by(.b) | count() > 1 | coalesce()", false],
  ["{ .a } > { .b }", true],
  ["({ .a } | count() > 1) || ({ .a } !~ { .b })", true],
  ["({ .a } ~ {} | count()) > 1", true],
  ["{ parent.a = 1 }", true],
  ["{ traceDuration > 1s }", true],
  ["{ rootName = `x` || rootServiceName = `y` }", true],
  ["{ nestedSetParent < 0 }", true],
  ["{} | max(span:childCount) > 3", true],
  ["{} | select(nestedSetLeft)", true],
  ["{ span:parentID = `1` && duration > 1s }", false],
])("%s needs whole traces: %s", (text, expected) => {
  expect(plan(text).needsWholeTraces).toBe(expected);
});

test.each([
  ["{ false }", true],
  ["{ 3 = 4 } | by(kind) | count() > 1", true],
  ["{ false } && {}", true],
  ["{ false } || {}", false],
  ["{ false } || { nil = nil }", true],
  ["{ false } >> {}", true],
  ["{} >> { false }", true],
  ["{ false } &>> {}", true],
  ["{ false } !>> { .a }", false],
  ["{ .a } !>> { false }", true],
  ["{} | { .a && .b } | { false }", true],
  ["({ false } | count() > 1) && {}", true],
  ["({ false } | count() > 1) || {}", false],
  ["({ false } | count()) > ({} | count())", true],
  ["{ .a || false }", false],
])("%s is false for all data: %s", (text, expected) => {
  expect(plan(text).constantFalse).toBe(expected);
});

describe("a query too large for one statement is a clear error", () => {
  const many = (count: number, item: (i: number) => string, glue: string) =>
    Array.from({ length: count }, (_, i) => item(i)).join(glue);
  test.each([
    ["spanset filters", MAX_LEAVES, (n: number) => many(n, (i) => `{ .a${i} }`, " && ")],
    [
      "values in by() and aggregates",
      MAX_VALUES,
      (n: number) => `{} | ${many(n, (i) => `max(.a${i})`, " + ")} > 1`,
    ],
    ["pipeline stages", MAX_STAGES, (n: number) => many(n, () => "{}", " | ")],
    [
      "structural operators",
      MAX_STRUCTURAL_OPERATORS,
      (n: number) => many(n + 1, () => "{}", " >> "),
    ],
  ])("%s: at most %i", (what, limit, text) => {
    expect(() => plan(text(limit))).not.toThrow();
    expect(() => plan(text(limit + 1))).toThrow(
      `query has ${limit + 1} ${what}, the limit is ${limit}`,
    );
  });

  test("levels of && and ||, where a chain counts once", () => {
    const mixed = (levels: number) =>
      many(levels + 1, (i) => `{ .a }${i === levels ? "" : i % 2 === 0 ? " &&" : " ||"}`, " ");
    expect(() => plan(mixed(MAX_LOGIC_LEVELS))).not.toThrow();
    expect(() => plan(mixed(MAX_LOGIC_LEVELS + 1))).toThrow("levels of && and ||, the limit is 48");
    expect(() => plan(many(MAX_LEAVES, () => "{ .a }", " && "))).not.toThrow();
  });

  test("thousands of stages and operators are refused, not followed", () => {
    expect(() => plan(many(3000, () => "{ .a }", " !>> "))).toThrow("structural operators");
    expect(() => plan(many(3000, () => "by(.a)", " | "))).toThrow("pipeline stages");
    const sum = many(200, () => "count()", " + ");
    expect(() => plan(`{} | ${sum} > 1`)).toThrow("nested too deeply");
  });
});

test("CTEs of two pipelines do not meet in one statement", () => {
  const pipeline = plan("{ .a } >> { .b } | count() > 1");
  const one = pipelineToSql(pipeline, "spans", { output: "traces", prefix: "one_" });
  const two = pipelineToSql(pipeline, "spans", { output: "traces", prefix: "two_" });
  expect(one.ctes).not.toContain("two_");
  expect(two.relation).toMatch(/^two_/);
});
