import { expect, test } from "vitest";
import { LOCAL, load, loadError } from "./support.ts";

const classes = (text: string) => `${LOCAL}pintail: { retention: { classes: ${text} } }\n`;

test("classes arrive in their order", () => {
  const { settings, warnings } = load(
    classes(
      '[{ name: errors, query: "{ status = error }", retention: 30d }, { name: slow_1, query: "{ } | max(duration) > 5s", retention: 0 }]',
    ),
  );
  expect(warnings).toEqual([]);
  expect(settings.retention.classes).toEqual([
    { name: "errors", query: "{ status = error }", retentionMs: 30 * 86_400_000 },
    { name: "slow_1", query: "{ } | max(duration) > 5s", retentionMs: 0 },
  ]);
  expect(load(LOCAL).settings.retention.classes).toEqual([]);
  expect(load(classes("")).settings.retention.classes).toEqual([]);
});

const one = (name: string, query: string, retention: string) =>
  `[{ name: "${name}", query: "${query}", retention: ${retention} }]`;

test.each([
  ["no list", "x", "must be a list"],
  ["17 classes", `[${"{},".repeat(17)}]`, "has 17 classes, the limit is 16"],
  ["a bad name", one("A b", "{}", "30d"), "a name has 1 to 64 of"],
  ["a long name", one("x".repeat(65), "{}", "30d"), "a name has 1 to 64 of"],
  ["no retention", "[{ name: a, query: '{}' }]", "a has no retention"],
  ["no query", "[{ name: a, retention: 0 }]", "the query of a: "],
  ["bad TraceQL", one("a", "{ status = }", "30d"), "the query of a: invalid TraceQL query"],
  ["metrics", one("a", "{} | rate()", "30d"), "the query of a: "],
  ["a huge query", one("a", `{ .a = \`${"x".repeat(20_000)}\` }`, "30d"), "exceeds the configured"],
  ["a short retention", one("a", "{}", "48h"), "must be 0 or longer than block_retention"],
  ["an unknown key", "[{ name: a, retentoin: 1h }]", "field retentoin not found"],
  ["a class that is no map", "[a]", "cannot unmarshal"],
  [
    "a name twice",
    "[{ name: a, query: '{}', retention: 0 }, { name: a, query: '{}', retention: 0 }]",
    "a is there twice",
  ],
])("%s refuses to start", (_, text, message) => {
  const error = loadError(classes(text));
  expect(error).toContain(message);
  expect(error).toContain("line 2");
});

test("with all kept for ever, a class cannot keep longer", () => {
  const text = `${classes(one("a", "{}", "1000h"))}compactor: { compaction: { block_retention: 0 } }\n`;
  expect(loadError(text)).toContain("must be 0 or longer than block_retention");
});
