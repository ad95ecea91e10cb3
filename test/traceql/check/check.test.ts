import { describe, expect, test } from "vitest";
import { isPintailError } from "../../../src/errors.ts";
import { checkQuery } from "../../../src/traceql/check/check.ts";
import { parseQuery } from "../../../src/traceql/parser.ts";

function refusal(text: string): { kind: string; message: string } {
  const query = parseQuery(text);
  try {
    checkQuery(query);
  } catch (e) {
    if (isPintailError(e)) return { kind: e.kind, message: e.message };
    throw e;
  }
  throw new Error(`accepted: ${text}`);
}

describe("what parses but is wrong", () => {
  test.each([
    ["{ span.a + 2 }", "must be boolean"],
    ["{ duration }", "must be boolean"],
    ["{ 5s }", "must be boolean"],
    ["{ 2 + 3 }", "must be boolean"],
    ["{ name }", "must be boolean"],
    ["{ name > 7 }", "same type"],
    ['{ kind = "client" }', "same type"],
    ['{ status = "error" }', "same type"],
    ["{ status = 2 }", "same type"],
    ['{ 1 + "x" > 0 }', "same type"],
    ["{ rootName < 3 }", "same type"],
    ["{ status >= error }", "illegal operation for the given types"],
    ["{ kind > client }", "illegal operation for the given types"],
    ["{ span.a =~ 5 }", "illegal operation for the given types"],
    ["{ true > false }", "illegal operation for the given types"],
    ['{ "a" && "b" }', "illegal operation for the given types"],
    ['{ -name = "x" }', "illegal operation for the given type"],
    ["{ !5 }", "illegal operation for the given type"],
    ["{ !(span.a + 2) }", "illegal operation for the given type"],
    ["{ -error = status }", "illegal operation for the given type"],
    ['{ name =~ "(" }', "invalid regex"],
    ['{ name !~ "(?=a)" }', "invalid regex"],
    ['{ "x" =~ span.a }', "must be a string literal"],
    ["{ span.a =~ span.b }", "must be a string literal"],
    ["{ kind = nil }", "intrinsics cannot be nil"],
    ["{ nil = event:name }", "intrinsics cannot be nil"],
    ["{ resource.service.name = nil }", "service name cannot be nil"],
    ["{ nil = resource.service.name }", "service name cannot be nil"],
    ["by(5)", "must reference the span"],
    ['by("x" = "y")', "must reference the span"],
    ["{} | max(name) > 1", "must be numeric"],
    ["{} | sum(kind) > 0", "must be numeric"],
    ["{} | avg(span.a > 1) > 0", "must be numeric"],
    ["{} | sum(2) > 1", "must reference the span"],
    ["{} | min(1s) > 1", "must reference the span"],
    ["min(7) < avg(span.x)", "must reference the span"],
    ["{} | quantile_over_time(duration, 1.5)", "between 0 and 1"],
    ["{} | rate() | topk(0)", "greater than 0"],
    ["{} | rate() | bottomk(0)", "greater than 0"],
    ["{} | compare({ .a }) | topk(3)", "second stage"],
    ["{} | compare({ .a }) > 1", "second stage"],
    ["{} | compare({}, 0)", "greater than 0"],
    ["{} | compare({}, 5, 0, 9)", "must be positive"],
    ["{} | compare({}, 5, 9, 9)", "greater than the start"],
    ["{} | compare({ 5 })", "must be boolean"],
    ["{ .a } >> { 5 }", "must be boolean"],
    ["({ 5 } | count() > 1) && {}", "must be boolean"],
    ["({} | by(kind)) > {}", "coalesce()"],
    ["{} >> ({} | by(kind) | count() > 1)", "coalesce()"],
    ["{} &~ ({} | by(kind) | coalesce() | by(name))", "coalesce()"],
    ["({} | by(kind) | avg(name) > 1 | coalesce()) > {}", "must be numeric"],
  ])("%s: %s", (text, part) => {
    const { kind, message } = refusal(text);
    expect(kind).toBe("invalid");
    expect(message).toContain(part);
  });
});

describe("what has no meaning yet", () => {
  test.each([
    ["{ parent = 5 }", "parent"],
    ["{} | select(parent)", "parent"],
    ["4 < 5", "no aggregate"],
    ["{} | 4 + 1 > 5 * 2", "no aggregate"],
  ])("%s: %s", (text, part) => {
    const { kind, message } = refusal(text);
    expect(kind).toBe("unsupported");
    expect(message).toContain(part);
    expect(message).toMatch(/not supported yet$/);
  });

  test.each([
    [
      "{} | rate() by(.a, .b, .c, .d, .e, .f)",
      "metrics group by 6 values not yet supported, the limit is",
    ],
    [
      "{} | histogram_over_time(duration) by(.a, .b, .c, .d, .e)",
      "metrics group by 5 values not yet supported, the limit is",
    ],
    [
      "{} | avg_over_time(duration) by(.a, .b, .c, .d, .e)",
      "metrics group by 5 values not yet supported, the limit is",
    ],
    [
      "{} | quantile_over_time(duration, 1) by(.a, .b, .c, .d, .e)",
      "metrics group by 5 values not yet supported, the limit is",
    ],
  ])("%s: %s, in Tempo's words", (text, part) => {
    const { kind, message } = refusal(text);
    expect(kind).toBe("unsupported");
    expect(message).toContain(part);
  });
});

test.each([
  "{ instrumentation:name }",
  "{ span.a + span.b }",
  "{ -.a }",
  "{ name != nil }",
  "{ resource.service.name != nil }",
  "{ span.a = status }",
  "{ duration > 1.5 && nestedSetLeft < 5s }",
  '{ name =~ "a" + "b" || true }'.replace(' + "b"', ""),
  "{ (1 < 2) = .a }",
  "{ .a =~ `x{1000}` }",
  "{} | count() > -5",
  "{} | avg(.a * 2) > 5ms",
  "{ parent.a = 5 && parent.span.a = nil }",
  "{} | select(parent.resource.a)",
  "{} | by(parent.a) | max(parent.b) > 1",
  "{} | rate() by(parent.a)",
  "{} | max(.x) + 1 > 2",
  "{} | 4 < count()",
  "({} | count()) > 3",
  "({} | count()) > ({} | count())",
  "{} | count() > 1 + 1",
  "{} | min(.x) < max(.x)",
  "({} | by(kind)) && ({} | by(name))",
  "({} | by(kind) | coalesce()) > {}",
  "({} | by(kind)) || {}",
])("%s is accepted", (text) => {
  expect(() => checkQuery(parseQuery(text))).not.toThrow();
});

test("an expression nested deeper than the database could follow is refused, a long chain is not", () => {
  const sum = Array.from({ length: 100 }, () => ".a").join(" + ");
  expect(refusal(`{ ${sum} > 1 }`).message).toContain("nested too deeply");
  const mixed = Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? ".a &&" : ".b ||")).join(" ");
  expect(refusal(`{ ${mixed} .c }`).message).toContain("nested too deeply");
  const chain = Array.from({ length: 3000 }, () => ".a").join(" && ");
  expect(() => checkQuery(parseQuery(`{ ${chain} }`))).not.toThrow();
});
