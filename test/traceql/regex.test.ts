import fc from "fast-check";
import { RE2JS } from "re2js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileRegex, matchesPlain, plainPattern } from "../../src/traceql/regex.ts";
import { quoteLiteral } from "../../src/traceql/sql/sql.ts";
import { type Database, openTestDatabase } from "./sql/stored-table.ts";

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

async function accepts(pattern: string): Promise<boolean> {
  try {
    await db.run(`SELECT regexp_full_match('x', ${quoteLiteral(pattern)}, 's')`);
    return true;
  } catch {
    return false;
  }
}

function refusal(pattern: string): string | undefined {
  try {
    compileRegex(pattern);
    return undefined;
  } catch (e) {
    return (e as Error).message;
  }
}

test.each([
  "(",
  ")",
  "[",
  "[^]",
  "a**",
  "a{2}{3}",
  "*",
  "a|*",
  "(?=a)",
  "(?!a)",
  "(?<=a)",
  "\\1",
  "(?P=n)",
  "\\Z",
  "\\",
  "[z-a]",
  "[[:foo:]]",
  "\\p{Foo}",
  "x{1001}",
  "x{2,1}",
  "(x{100}){100}",
  "\\pL{1000}",
  "(?P<n>a)(?P<n>b)",
  "\\C",
  "(".repeat(5000),
  `${"(".repeat(500)}${")".repeat(500)}`,
  "a".repeat(30_000),
])("%.30s is refused", (pattern) => {
  expect(refusal(pattern)).toMatch(/^invalid regex: /);
  expect(refusal(pattern)!.length).toBeLessThan(200);
});

test("named groups of either spelling work", async () => {
  expect(compileRegex("(?<a>x)(?P<b>y)")).toBe("(x)(y)");
});

test("what is accepted here is accepted by DuckDB", async () => {
  const piece = fc.constantFrom(
    ..."a é ( ( ) ) (?: (?i) (?P<n> (?= [ [^ ] - z \\ \\d \\pL \\p{Greek} * + ? {2} {2,} {2,1} { } | ^ $ . \\Q \\E \\x41 \\1 \\07 \\b [:alpha:] [:foo:] \\. , 1 😀".split(
      " ",
    ),
  );
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 7 }), async (parts) => {
      const pattern = parts.join("");
      if (refusal(pattern) !== undefined) return;
      accepted++;
      expect(await accepts(compileRegex(pattern)), pattern).toBe(true);
    }),
    { numRuns: 1500 },
  );
  expect(accepted).toBeGreaterThan(100);
});

describe("patterns that need no regular expression", () => {
  test.each([
    [".*", { type: "any" }],
    ["", { type: "equals", values: [""] }],
    ["a|b\\.c|a", { type: "equals", values: ["a", "b.c"] }],
    ["/api/.*", { type: "prefix", value: "/api/" }],
    [".*\\.go", { type: "suffix", value: ".go" }],
    [".*err.*", { type: "contains", value: "err" }],
    ["a.*b", { type: "pieces", pieces: ["a", "b"] }],
    [".*a.*b\\.*", undefined],
    ["POST .*users.*", { type: "pieces", pieces: ["POST ", "users", ""] }],
    ["a.*.*b\\.c.*d", { type: "pieces", pieces: ["a", "b.c", "d"] }],
    ["a.*?b", undefined],
    ["a.+b", undefined],
    ["a\\.*", undefined],
    ["a.*|b", undefined],
    ["(a)", undefined],
    ["(?i)a", undefined],
    ["\\d", undefined],
    [".*.*", { type: "any" }],
    ["[.*", undefined],
    ["a\\Qb", undefined],
  ])("%s", (pattern, expected) => {
    expect(plainPattern(pattern)).toEqual(expected);
  });

  test("mean what RE2 says", () => {
    const piece = fc.constantFrom(
      "a",
      "b",
      ".*",
      ".*",
      ".",
      "|",
      "\\.",
      "\\*",
      "\\\\",
      "*",
      "é",
      "\n",
    );
    const text = fc
      .array(fc.constantFrom("a", "b", ".", "*", "\\", "é", "\n", "|"))
      .map((p) => p.join(""));
    let plain = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), text, (parts, subject) => {
        const pattern = parts.join("");
        if (refusal(pattern) !== undefined) return;
        const form = plainPattern(pattern);
        if (form === undefined) return;
        plain++;
        const expected = RE2JS.compile(pattern, RE2JS.DOTALL).matches(subject);
        const actual = matchesPlain(form, subject);
        expect(actual, JSON.stringify([pattern, subject])).toBe(expected);
      }),
      { numRuns: 5000 },
    );
    expect(plain).toBeGreaterThan(500);
  });
});
