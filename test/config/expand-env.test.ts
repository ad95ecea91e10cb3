// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions are what is tested.
import fc from "fast-check";
import { expect, test } from "vitest";
import { expandEnv } from "../../src/config/expand-env.ts";

const env = { V: "hello", EMPTY: "", PATHS: "a/b/c.tar.gz", MIX: "hELLO", D: "$V" };

test.each([
  ["${V}", "hello"],
  ["a${V}b${V}", "ahellobhello"],
  ["[${UNSET}]", "[]"],
  ["${UNSET:-d}", "d"],
  ["${EMPTY:-d}", "d"],
  ["${V:-d}", "hello"],
  ["${UNSET:=d}", "d"],
  ["${UNSET=d}", "d"],
  ["${EMPTY=d}", "d"],
  ["${UNSET:?d}", "d"],
  ["${UNSET:+d}", "d"],
  ["${V:+d}", "hello"],
  ["${UNSET:-http://h:1/p}", "http://h:1/p"],
  ["${UNSET:-${V}!}", "hello!"],
  ["${UNSET:-}", ""],
  ["${#V}", "5"],
  ["${#UNSET}", "0"],
  ["${V^}", "Hello"],
  ["${V^^}", "HELLO"],
  ["${MIX,,}", "hello"],
  ["${MIX,}", "hELLO"],
  ["${V:1}", "ello"],
  ["${V:1:3}", "ell"],
  ["${V:9}", ""],
  ["${PATHS#*/}", "b/c.tar.gz"],
  ["${PATHS##*/}", "c.tar.gz"],
  ["${PATHS%.*}", "a/b/c.tar"],
  ["${PATHS%%.*}", "a/b/c"],
  ["${V#xyz}", "hello"],
  ["${V%o}", "hell"],
  ["${V%[a-o]}", "hell"],
  ["${V/l/L}", "heLlo"],
  ["${V//l/L}", "heLLo"],
  ["${V/#he/HE}", "HEllo"],
  ["${V/%lo/LO}", "helLO"],
  ["${V//l}", "heo"],
  ["$V $1 $(x) $", "$V $1 $(x) $"],
  ["$${V}", "${V}"],
  ["$$", "$"],
  ["${D}", "$V"],
  ["a\\\\b \\/ \\n", "a\\b / \\n"],
  ["# comment ${V}", "# comment hello"],
  ["${v}", ""],
  ["${constructor}", ""],
])("%s expands to %j", (text, expected) => {
  expect(expandEnv(text, env)).toBe(expected);
});

test.each(["${V", "${", "${}", "${V-d}", "${V+d}", "${V?d}", "${ V }", "${V:-d", "${#V", "${V!}"])(
  "%s misses its closing brace",
  (text) => {
    expect(() => expandEnv(text, env)).toThrow("missing closing brace");
  },
);

test("expressions nested without end are refused", () => {
  expect(() => expandEnv("${A:-".repeat(10_000), {})).toThrow("nested too deeply");
});

test("text without dollar and backslash is unchanged, and expansion always ends", () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom("a", "$", "{", "}", "V", "/", "%", "*", ":", "-", "\\", "["),
      }),
      (text) => {
        let result: string;
        try {
          result = expandEnv(text, { V: "a*a" });
        } catch (error) {
          expect((error as Error).message).toBe("missing closing brace");
          return;
        }
        if (!/[$\\]/.test(text)) expect(result).toBe(text);
      },
    ),
  );
});
