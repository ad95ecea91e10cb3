import { describe, expect, test } from "vitest";
import { checkQuery } from "../../src/traceql/check/check.ts";
import { parseLegacyTags, parseTagsParameter, tagsToExpr } from "../../src/traceql/legacy-tags.ts";
import { printField } from "../../src/traceql/print.ts";

describe("the tags parameter", () => {
  test.each([
    ["", {}],
    ["a=b", { a: "b" }],
    ["  a=b   c.d=e ", { a: "b", "c.d": "e" }],
    ["foo", { foo: "" }],
    ["foo= bar=1", { foo: "", bar: "1" }],
    ['a="b c=\\"d\\"" e=f', { a: 'b c="d"', e: "f" }],
    ["é=😀", { é: "😀" }],
  ])("%j", (text, expected) => {
    expect({ ...parseTagsParameter(text) }).toEqual(expected);
  });

  test.each([
    ["a=b a=c", "invalid tags: tag a has been set twice"],
    ["=b", 'invalid tags: unexpected "=" at pos 1'],
    ["a=b=c", 'invalid tags: unexpected "=" at pos 4'],
    ['a="b', "invalid tags: unterminated quoted value at pos 5"],
    ['a="b"c', 'invalid tags: unexpected "c" at pos 6'],
    ['a"b"', 'invalid tags: unexpected "\\"" at pos 2'],
    ['a="\\q"', "invalid tags: invalid quoted value at pos 3"],
  ])("refuses %j", (text, message) => {
    expect(() => parseTagsParameter(text)).toThrow(message);
  });

  test("names that objects have of themselves are keys like others", () => {
    expect(Object.keys(parseTagsParameter("__proto__=1 constructor=2"))).toEqual([
      "__proto__",
      "constructor",
    ]);
  });

  test("too many are refused", () => {
    const text = Array.from({ length: 101 }, (_, i) => `k${i}=v`).join(" ");
    expect(() => parseTagsParameter(text)).toThrow("more than 100 tags");
  });
});

describe("tags as a filter", () => {
  test.each([
    [{}, "true"],
    [{ foo: "a" }, "(span.foo = `a`) || (resource.foo = `a`)"],
    [{ name: "a.b" }, "name =~ `.*a\\.b.*`"],
    [{ "root.name": "a" }, "rootName =~ `.*a.*`"],
    [
      { "service.name": "a" },
      "(span.service.name =~ `.*a.*`) || (resource.service.name =~ `.*a.*`)",
    ],
    [{ "status.code": "error" }, "status = error"],
    [{ "status.code": "constructor" }, "false"],
    [
      { "http.status_code": "500" },
      "(span.http.status_code = 500) || (resource.http.status_code = 500)",
    ],
    [{ "http.status_code": "x" }, "false"],
    [{ "http.status_code": "9".repeat(19) }, "false"],
  ])("%j", (tags, expected) => {
    const expr = tagsToExpr(tags as unknown as Record<string, string>);
    expect(printField(expr)).toBe(expected);
    expect(() =>
      checkQuery({ stages: [{ type: "filter", expr }], metrics: undefined, second: [], hints: [] }),
    ).not.toThrow();
  });

  test("durations bound the trace's", () => {
    expect(printField(tagsToExpr({}, 5_000_000n, 1_500_000_000n))).toBe(
      "(traceDuration >= 5ms) && (traceDuration <= 1.5s)",
    );
  });

  test("each tag is a filter of its own for those that combine them by trace", () => {
    expect(parseLegacyTags("a=b status.code=ok").map(printField)).toEqual([
      "(span.a = `b`) || (resource.a = `b`)",
      "status = ok",
    ]);
  });
});
