import { expect, test } from "vitest";
import { plainValue } from "../../src/config/scalar.ts";
import { parseYaml } from "../../src/config/yaml-tree.ts";

const BOUNDS = { maxChars: 200_000, maxNodes: 1000 };
const plain = (text: string) => plainValue(parseYaml(text, BOUNDS));

test("plain scalars follow YAML 1.1, quoted ones are strings", () => {
  expect(
    plain("a: yes\nb: off\nc: 5_000_000\nd: 0777\ne: 1.5e+02\nf: ~\ng: 'yes'\nh: 4317:1\n"),
  ).toEqual({
    a: true,
    b: false,
    c: 5_000_000,
    d: 511,
    e: 150,
    f: null,
    g: "yes",
    h: "4317:1",
  });
});

test("anchors, aliases and merge keys are resolved, own keys winning", () => {
  expect(plain("x: &x { a: 1, b: 2 }\ny: { <<: *x, b: 3 }\nz: *x\n")).toEqual({
    x: { a: 1, b: 2 },
    y: { a: 1, b: 3 },
    z: { a: 1, b: 2 },
  });
});

test("a key __proto__ is only a key", () => {
  const value = plain("__proto__: { polluted: 1 }\n");
  expect(Object.keys(value as object)).toEqual(["__proto__"]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test.each([
  ["a duplicate key", "a: 1\nb: 2\na: 3\n", 'line 3: key "a" already set at line 1'],
  ["a second document", "a: 1\n---\nb: 1\n", "line 2: "],
  ["an open list", "a: [1,\nb: 2\n", "line 2: "],
  ["a tab", "\ta: 1\n", "line 1: "],
  ["an unknown alias", "a: *nope\n", "line 1: "],
  ["an alias of itself", "a: &a [*a]\n", "nested deeper"],
  ["a list as key", "? [x]\n: 1\n", "a key must be a scalar"],
  ["50000 open lists", "[".repeat(50_000), "nested"],
  ["100 maps in each other", "{".repeat(100) + "}".repeat(100), "nested deeper than 64"],
  ["a text that is too long", `a: ${"x".repeat(200_000)}`, "the limit is 200000"],
])("%s is an error", (_, text, message) => {
  expect(() => parseYaml(text, BOUNDS)).toThrow(message);
});

test("aliases cannot multiply a small file into a large tree", () => {
  const levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 20; i++) {
    levels.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(", ")}]`);
  }
  expect(() => parseYaml(levels.join("\n"), BOUNDS)).toThrow("more than 1000 values");
});
