import { expect, test } from "vitest";
import { compileTail } from "../../../src/query/tail/compile-tail.ts";

const MAX = 131_072;

test.each([
  "{}",
  "{ false }",
  '{ resource.service.name = "shop" && span.http.status_code >= 500 || duration > 1s }',
  "{ status = error } | select(span.url, event.name, trace:id) | select(kind)",
  "{ nestedSetParent < 0 && kind = server }",
  "{ nestedSetParent >= 0 }",
])("%s can be followed", (query) => {
  expect(compileTail(query, MAX).text).toBe(query);
});

test.each([
  ["{} && {}", /one filter in braces/],
  ["{} >> {}", /one filter in braces/],
  ["{} | count() > 1", /one filter in braces/],
  ["{} | by(name)", /one filter in braces/],
  ["{} | { name = `a` }", /one filter in braces/],
  ["({} | select(name))", /one filter in braces/],
  ["{} | rate()", /spans, not metrics/],
  ["{ rootName = `a` }", /rootName needs the rest of the trace/],
  ["{ traceDuration > 1s }", /traceDuration needs the rest of the trace/],
  ["{ name = `a` && (nestedSetParent < 0 || nestedSetLeft > 3) }", /nestedSetLeft needs/],
  ["{ nestedSetParent > 0 }", /nestedSetParent needs/],
  ["{ nestedSetParent < 5 }", /nestedSetParent needs/],
  ["{} | select(nestedSetParent)", /nestedSetParent needs/],
  ["{ parent.span.a = 1 }", /needs the rest of the trace/],
  ["{ span:childCount > 1 }", /needs the rest of the trace/],
  ["{ oops", /^invalid TraceQL query: parse error/],
  ["{ name = 1 && }", /^invalid TraceQL query/],
  [`{ name = "${"x".repeat(MAX)}" }`, /exceeds the configured maximum size/],
])("%s is refused", (query, text) => {
  expect(() => compileTail(query, MAX)).toThrow(
    expect.objectContaining({ kind: "invalid", message: expect.stringMatching(text) }),
  );
});
