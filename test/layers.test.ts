import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const SRC = resolve(import.meta.dirname, "../src");

/** From top to bottom; a file may import from its own group and from groups below. */
const GROUPS: readonly (readonly string[])[] = [
  ["main.ts", "cli"],
  ["app.ts", "app", "threads"],
  ["config"],
  ["receivers", "api"],
  ["server"],
  ["ingest", "query", "metrics-generator"],
  ["storage"],
  ["traceql"],
  ["drivers"],
  ["schema"],
  ["runtime"],
  ["telemetry"],
  ["model"],
  ["errors.ts", "version.ts", "util"],
];

/** Parts that know a group's neighbours although they stand beside them: none but these. */
const SETTINGS_ONLY = /\/settings\.ts$/;

function rowOf(file: string): number {
  const part = relative(SRC, file).split("/")[0]!;
  const row = GROUPS.findIndex((group) => group.includes(part));
  if (row < 0) throw new Error(`${relative(SRC, file)} belongs to no group`);
  return row;
}

function partOf(file: string): string {
  return relative(SRC, file).split("/")[0]!;
}

function sources(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((f) => f.endsWith(".ts"))
    .map((f) => join(dir, f));
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((m) => m[1]!);
}

test("a part imports from its own folder and from groups below its own", () => {
  const wrong: string[] = [];
  for (const file of sources(SRC)) {
    for (const specifier of importsOf(file)) {
      if (!specifier.startsWith(".")) continue;
      const target = resolve(dirname(file), specifier);
      if (relative(SRC, target).startsWith("..")) continue;
      if (partOf(target) === partOf(file) || rowOf(target) > rowOf(file)) continue;
      if (rowOf(file) === rowOf(target) && rowOf(file) <= 1) continue;
      if (SETTINGS_ONLY.test(target)) continue;
      wrong.push(`${relative(SRC, file)} imports ${relative(SRC, target)}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("node:* is imported only in runtime, drivers, main, cli", () => {
  const allowed = /^(runtime|drivers|cli)\/|^main\.ts$/;
  const wrong = sources(SRC)
    .filter((file) => !allowed.test(relative(SRC, file)))
    .filter((file) => importsOf(file).some((s) => s.startsWith("node:") || s.startsWith("bun:")))
    .map((file) => relative(SRC, file));
  expect(wrong).toEqual([]);
});

test("packages are imported only where their layer is", () => {
  const rules: readonly (readonly [RegExp, RegExp])[] = [
    [/^@duckdb\//, /^drivers\/duckdb\//],
    [/^@platformatic\//, /^drivers\/kafka\//],
    [/^@aws-sdk\//, /^drivers\/objects\//],
    [/^google-auth-library/, /^drivers\/objects\//],
    [/^hono/, /^(server|receivers|api|runtime|app\.ts|app)/],
    [/^@connectrpc\//, /^(server|receivers|api|runtime|app\.ts|app)/],
  ];
  const wrong: string[] = [];
  for (const file of sources(SRC)) {
    for (const specifier of importsOf(file)) {
      for (const [pack, place] of rules) {
        if (pack.test(specifier) && !place.test(relative(SRC, file))) {
          wrong.push(`${relative(SRC, file)} imports ${specifier}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});
