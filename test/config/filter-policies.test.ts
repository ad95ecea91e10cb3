import { expect, test } from "vitest";
import { filterPolicies } from "../../src/config/filter-policies.ts";
import { parseYaml } from "../../src/config/yaml-tree.ts";
import type { FilterPolicy } from "../../src/metrics-generator/settings.ts";

function read(yaml: string): { policies: readonly FilterPolicy[]; problems: readonly string[] } {
  const problems: string[] = [];
  const node = parseYaml(yaml, { maxChars: 1e6, maxNodes: 1e5 });
  const report = (problem: string) => problems.push(problem);
  return { policies: filterPolicies(node, { path: "p", report }), problems };
}

const strict = (attributes: string) =>
  `[{ include: { match_type: strict, attributes: [${attributes}] } }]`;
const regex = (value: string) =>
  `[{ exclude: { match_type: regex, attributes: [{ key: name, value: ${value} }] } }]`;

test("a policy may have all three blocks", () => {
  const block = (value: number) =>
    `{ match_type: strict, attributes: [{ key: span.a, value: ${value} }] }`;
  const { policies, problems } = read(
    `[{ include: ${block(1)}, include_any: ${block(2)}, exclude: ${block(3)} }, { exclude: ${block(4)} }]`,
  );
  expect(problems).toEqual([]);
  const match = (value: bigint) => ({
    type: "strict",
    attributes: [{ of: "span", key: "a", value }],
  });
  expect(policies).toEqual([
    { include: match(1n), includeAny: match(2n), exclude: match(3n) },
    { include: undefined, includeAny: undefined, exclude: match(4n) },
  ]);
});

test.each([
  ["kind", "SPAN_KIND_SERVER", { of: "kind", key: "", value: "SPAN_KIND_SERVER" }],
  ["span:kind", "SPAN_KIND_CLIENT", { of: "kind", key: "", value: "SPAN_KIND_CLIENT" }],
  ["status", "STATUS_CODE_ERROR", { of: "status", key: "", value: "STATUS_CODE_ERROR" }],
  ["name", "GET /", { of: "name", key: "", value: "GET /" }],
  ["name", "200", { of: "name", key: "", value: "200" }],
  ["resource.a.b", "x", { of: "resource", key: "a.b", value: "x" }],
  ["'span.\"a b\"'", "x", { of: "span", key: "a b", value: "x" }],
  ["span.n", "200", { of: "span", key: "n", value: 200n }],
  ["span.n", "-9_223_372_036_854_775_808", { of: "span", key: "n", value: -(2n ** 63n) }],
  ["span.n", "0x10", { of: "span", key: "n", value: 16n }],
  ["span.n", "1.0", { of: "span", key: "n", value: 1 }],
  ["span.n", "1e3", { of: "span", key: "n", value: 1000 }],
  ["span.n", "true", { of: "span", key: "n", value: true }],
  ["span.n", "off", { of: "span", key: "n", value: false }],
  ["span.n", '"true"', { of: "span", key: "n", value: "true" }],
  ["span.n", '"200"', { of: "span", key: "n", value: "200" }],
  ["span.n", '""', { of: "span", key: "n", value: "" }],
])("the key %s and value %s arrive with their type", (key, value, expected) => {
  const { policies, problems } = read(strict(`{ key: ${key}, value: ${value} }`));
  expect(problems).toEqual([]);
  expect(policies[0]?.include?.attributes).toEqual([expected]);
});

test("of a key that is there twice the first counts", () => {
  const { policies } = read(
    strict(
      "{ key: span.a, value: 1 }, { key: resource.a, value: 2 }, { key: span.a, value: 3 }, { key: kind, value: SPAN_KIND_SERVER }, { key: span:kind, value: SPAN_KIND_CLIENT }",
    ),
  );
  expect(policies[0]?.include?.attributes.map(({ value }) => value)).toEqual([
    1n,
    2n,
    "SPAN_KIND_SERVER",
  ]);
});

test.each(["'(?i)health|ready'", "200", "'^SPAN_.*'", "''"])(
  "%s is a regular expression",
  (text) => {
    const { policies, problems } = read(regex(text));
    expect(problems).toEqual([]);
    expect(policies[0]?.exclude?.attributes[0]?.value).toBe(text.replaceAll("'", ""));
  },
);

test("nothing is no policy", () => {
  expect(read("")).toEqual({ policies: [], problems: [] });
  expect(read("[]")).toEqual({ policies: [], problems: [] });
});

test.each([
  ["x", "p must be a list of 1000 at most"],
  [`[${"{},".repeat(1001)}]`, "p must be a list of 1000 at most"],
  ["[{}]", "p: a policy needs one of include, include_any, exclude"],
  ["[{ include: }]", "p: a policy needs one of"],
  ["[{ includes: {} }]", "field includes not found in type p (did you mean include?)"],
  ["[{ include: {} }]", "p: include needs a match_type, strict or regex"],
  ["[{ include: { match_type: fuzzy } }]", "`fuzzy` is not one of"],
  ["[{ include: { match_type: strict, attributes: 5 } }]", "p.include.attributes must be a list"],
  [strict("5"), "cannot unmarshal"],
  [strict("{ key: span.a, val: 5 }"), "field val not found in type p.include.attributes"],
  [strict("{ key: span.a }"), "span.a needs a value"],
  [strict("{ key: span.a, value: null }"), "span.a needs a value"],
  [strict("{ key: span.a, value: [1] }"), "span.a needs a value that is no list"],
  [strict("{ value: 5 }"), 'the key "" is none of kind, name, status'],
  [strict("{ key: .a, value: 5 }"), 'the key ".a" is none of'],
  [strict("{ key: foo, value: 5 }"), 'the key "foo" is none of'],
  [strict("{ key: duration, value: 5 }"), 'the key "duration" is none of'],
  [strict("{ key: event.a, value: 5 }"), 'the key "event.a" is none of'],
  [strict("{ key: parent.span.a, value: 5 }"), 'the key "parent.span.a" is none of'],
  [strict("{ key: kind, value: server }"), '"server" is none of SPAN_KIND_UNSPECIFIED'],
  [strict("{ key: status, value: error }"), '"error" is none of STATUS_CODE_UNSET'],
  [strict("{ key: span.a, value: 9223372036854775808 }"), "span.a: a number is too large"],
  [strict(`{ key: span.a, value: ${"9".repeat(100_000)} }`), "span.a: a number is too large"],
  [regex("'('"), "name: invalid regex"],
  [regex("'(?=a)'"), "name: invalid regex"],
])("%s is told", (yaml, message) => {
  const { problems } = read(yaml);
  expect(problems.join("\n")).toContain(message);
  for (const problem of problems) expect(problem).toMatch(/^line 1: /);
});
