import { expect, test } from "vitest";
import { checkQuery } from "../../../src/traceql/check/check.ts";
import { parseQuery } from "../../../src/traceql/parser.ts";
import { describePipeline } from "../../../src/traceql/plan/describe-pipeline.ts";
import { planPipeline } from "../../../src/traceql/plan/plan-pipeline.ts";

function described(text: string): string[] {
  const query = parseQuery(text);
  checkQuery(query);
  return describePipeline(planPipeline(query));
}

test("a plan shows each condition once and the stages by number", () => {
  const text =
    '({ name = "a" } >> { status = error } && { name = "a" }) | by(kind) | avg(duration) > 1s';
  expect(described(text)).toEqual([
    "filter 0: { name = `a` }",
    "filter 1: { status = error }",
    "value 0: kind",
    "value 1: duration",
    "traces that lie in several segments are put together first",
    "keep the spans of",
    "  &&",
    "    >>",
    "      filter 0",
    "      filter 1",
    "    filter 0",
    "split by value 0 as by(kind)",
    "keep the spansets where avg(duration) > 1s",
  ]);
});

test("pipelines within comparisons are shown below them", () => {
  expect(described("({ kind = client } | count()) > ({ kind = server } | count())")).toEqual([
    "filter 0: { true }",
    "filter 1: { kind = client }",
    "filter 2: { kind = server }",
    "traces need not be put together: sets of spans decide",
    "keep the spans of",
    "  filter 0",
    "keep the spansets where (pipeline | count()) > (pipeline | count())",
    "  pipeline",
    "    keep the spans of",
    "      filter 1",
    "  pipeline",
    "    keep the spans of",
    "      filter 2",
  ]);
});

test("a query that no data satisfies says so", () => {
  expect(described("{ false }")).toEqual(["false for all data: nothing is read"]);
});

test("a long plan is clipped", () => {
  const chain = Array.from({ length: 600 }, () => "{ kind = client }").join(" && ");
  const lines = described(chain);
  expect(lines).toHaveLength(501);
  expect(lines.at(-1)).toMatch(/^… and \d+ lines more$/);
});
