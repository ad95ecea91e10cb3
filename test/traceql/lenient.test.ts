import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { extractTagFilter, fixedValue } from "../../src/traceql/lenient.ts";
import { parseTagName } from "../../src/traceql/parser.ts";
import { printField } from "../../src/traceql/print.ts";

function groups(text: string): string[] {
  return extractTagFilter(text).groups.map((group) => group.map(printField).join(" && "));
}

describe("the filter of a tags request", () => {
  test.each([
    ['{ span.http.route = "/a" && resource.region = }', ["span.http.route = `/a`"]],
    ["{ resource.region =", []],
    ["{ span.a = 1 || span.b = }", []],
    [
      "{ (span.a = 1 || span.b = 2) && kind = server }",
      ["span.a = 1 && kind = server", "span.b = 2 && kind = server"],
    ],
    ["{ span.a = 1 } >> { span.b = 2 }", []],
    ["{ span.a = 1 } && { span.b = 2 }", []],
    ["{ span.a = 1 && span.b !=", ["span.a = 1"]],
    ["{ span.a = 'x' }", []],
    ["{ span.a = 1 && duration > }", ["span.a = 1"]],
    ["{ span.a = 1 && status = }", ["span.a = 1"]],
    ["{ span.a = 1 && name = }", ["span.a = 1"]],
    ["{ span.a = 1 && .b = 2 }", ["span.a = 1 && .b = 2"]],
    ["{ .a = 1 && .b = }", [".a = 1"]],
    ['{resource.x = "foo" && span.y=', ["resource.x = `foo`"]],
    ["{ 2 = .b ", [".b = 2"]],
    ["{ 5 < span.x }", ["span.x > 5"]],
    ["{ span.a = 1 | rate()", ["span.a = 1"]],
    ["{ span.a = 1 } | select(name)", ["span.a = 1"]],
    ["{ span.a = 1 && } | rate()", ["span.a = 1"]],
    ["({ span.a = 1 } | by(name)) || {}", []],
    ["({ span.a = 1 } | by(name))", ["span.a = 1"]],
    ["{ span.a = 1 && ( }", []],
    ["{ span.a = 1 && () }", ["span.a = 1"]],
    ["{ && span.a = 1 || }", ["span.a = 1"]],
    ["{ span.a = 1 && span.", ["span.a = 1"]],
    ['{ span.a = 1 && span.b = "x', ["span.a = 1"]],
    ["{ span.a = 1 || span.a = 1 }", ["span.a = 1"]],
    ["{ span.a = nil }", ["span.a = nil"]],
    ["{ span.a && span.b = 1 }", ["span.b = 1"]],
    ["{ span.a || span.b = 1 }", []],
    ["{ !(span.a = 1) && span.b = 1 }", ["span.b = 1"]],
    ["{ span.a = span.b && span.c =~ `x` }", ["span.c =~ `x`"]],
    ["{ span.a = -1 && span.b = }", ["span.a = -1"]],
    ["{ name > 5 && span.a = 1 }", []],
    ["{ span.a = 1 + 1 }", ["span.a = 2"]],
    ["{ parent.span.a = 1 && span.b = 2 }", ["span.b = 2"]],
    ["{ parent.a = nil || span.b = 2 }", []],
    ["{ 1 < parent.resource.a }", []],
    ["by(name)", []],
    ["{}", []],
    ["", []],
    ["garbage", []],
  ])("%s", (text, expected) => {
    expect(groups(text)).toEqual(expected);
    expect(extractTagFilter(text).expr === undefined).toBe(expected.length === 0);
  });

  test("is one expression over its groups", () => {
    const { expr } = extractTagFilter("{ (span.a = 1 || span.b = 2) && kind = server }");
    expect(expr && printField(expr)).toBe(
      "((span.a = 1) && (kind = server)) || ((span.b = 2) && (kind = server))",
    );
  });

  test("more groups than the limit are refused, an unscoped tag counting each twice", () => {
    const chain = (n: number) => Array.from({ length: n }, (_, i) => `span.a = ${i}`).join(" || ");
    expect(extractTagFilter(`{ ${chain(100)} }`).groups).toHaveLength(100);
    expect(() => extractTagFilter(`{ ${chain(101)} }`)).toThrow(
      "maximum condition groups reached (limit: 100)",
    );
    expect(() => extractTagFilter(`{ ${chain(51)} }`, { unscopedTag: true })).toThrow("limit: 100");
    const product = Array.from({ length: 40 }, (_, i) => `(.a = ${i} || .b = ${i})`).join(" && ");
    expect(() => extractTagFilter(`{ ${product} }`)).toThrow("maximum condition groups");
    expect(() => extractTagFilter(`{ ${chain(3)} }`, { maxGroups: 2 })).toThrow("limit: 2");
  });

  test("names the value that a group fixes", () => {
    const [group = []] = extractTagFilter("{ span.a = `x` && 5 = .b && kind != server }").groups;
    expect(fixedValue(group, parseTagName("span.a"))).toEqual({ type: "string", value: "x" });
    expect(fixedValue(group, parseTagName(".b"))).toEqual({ type: "int", value: 5n });
    expect(fixedValue(group, parseTagName("kind"))).toBeUndefined();
  });

  test("no text makes it throw", () => {
    const piece = fc.constantFrom(
      ..."{ } ( ) | || && ! = != =~ < > - nil .a span.b name span: 5 1.5 10ms `x` \" ' by( select( count() error foo".split(
        " ",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (parts) => {
        extractTagFilter(parts.join(" "));
      }),
      { numRuns: 3000 },
    );
    extractTagFilter("(".repeat(60_000));
    extractTagFilter("&& ".repeat(40_000));
    extractTagFilter(`{ ${"(".repeat(40_000)} span.a = `);
  });
});
