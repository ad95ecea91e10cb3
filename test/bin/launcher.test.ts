import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const BIN = resolve(import.meta.dirname, "../../bin");
const base = realpathSync(mkdtempSync(join(tmpdir(), "pintail-bin-")));

/** A server in place of Pintail's: says who it is, then does what it is told. */
const MAIN = `import { value } from "./other.ts";
const say = (o: unknown) => process.stdout.write(JSON.stringify(o) + "\\n");
process.on("SIGTERM", () => { say({ signal: "SIGTERM" }); process.exit(5); });
say({ pid: process.pid, value, args: process.argv.slice(2), pool: process.env.UV_THREADPOOL_SIZE, cwd: process.cwd() });
const exit = process.argv.find((a: string) => a.startsWith("-exit="));
if (exit !== undefined) process.exit(Number(exit.slice(6)));
if (process.argv.includes("-abort")) process.kill(process.pid, "SIGKILL");
if (process.argv.includes("-wait")) setInterval(() => {}, 1000);
`;

function project(name: string): string {
  const root = join(base, name);
  const files: Record<string, string> = {
    "package.json": '{"type":"module"}',
    "src/main.ts": MAIN,
    "src/other.ts": "export const value: number = 3;\n",
    "src/cli/sql.ts": "console.log(JSON.stringify({ sql: process.argv.slice(2) }));\n",
    "bench/main.ts": "console.log(JSON.stringify({ bench: process.cwd() }));\n",
    "node_modules/vitest/vitest.mjs":
      "console.log(JSON.stringify({ vitest: process.argv.slice(2) }));\n",
    "node_modules/typescript/bin/tsc":
      "console.log(JSON.stringify({ tsc: process.argv.slice(2) })); process.exit(process.env.TSC_FAILS ? 2 : 0);\n",
    "node_modules/@biomejs/biome/bin/biome":
      "console.log(JSON.stringify({ biome: process.argv.slice(2) }));\n",
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  cpSync(BIN, join(root, "bin"), { recursive: true });
  return root;
}

type Run = {
  code: number | null;
  signal: string | null;
  lines: Record<string, unknown>[];
  stderr: string;
  pid: number;
};

function start(root: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [join(root, "bin", "pintail.mjs"), ...args], {
    cwd: base,
    env: { ...process.env, UV_THREADPOOL_SIZE: "", NODE_OPTIONS: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function finish(child: ChildProcess): Promise<Run> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (chunk) => (stdout += chunk));
  child.stderr?.on("data", (chunk) => (stderr += chunk));
  const [code, signal] = await once(child, "close");
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return {
    code,
    signal,
    stderr,
    pid: child.pid ?? 0,
    lines: lines.map((line) => JSON.parse(line)),
  };
}

const run = (...args: Parameters<typeof start>) => finish(start(...args));

const root = project("checkout");
const installed = project(join("app", "node_modules", "pintail"));

/** Takes away what lets a process replace itself, as on Node 20 and on Windows. */
const noExecve = join(base, "no-execve.mjs");

beforeAll(() => {
  writeFileSync(noExecve, "process.execve = undefined;\n");
});

afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

describe.each([
  ["in place", {}],
  ["as a child", { NODE_OPTIONS: `--import=${noExecve}` }],
])("the server %s", (how, env) => {
  test("gets its arguments, the working directory and a thread pool", async () => {
    const { code, lines, stderr, pid } = await run(root, ["-config.file=x", "-a", "b"], env);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({
      value: 3,
      args: ["-config.file=x", "-a", "b"],
      pool: "16",
      cwd: base,
    });
    if (typeof process.execve === "function")
      expect(lines[0]?.pid === pid).toBe(how === "in place");
  });

  test("passes its exit code on", async () => {
    expect((await run(root, ["-exit=9"], env)).code).toBe(9);
  });

  test("ends by the signal that ended it", async () => {
    expect(await run(root, ["-abort"], env)).toMatchObject({ code: null, signal: "SIGKILL" });
  });

  test("receives SIGTERM and may end in its own way", async () => {
    const child = start(root, ["-wait"], env);
    const finished = finish(child);
    await once(child.stdout!, "data");
    child.kill("SIGTERM");
    const { code, lines } = await finished;
    expect(lines.at(-1)).toEqual({ signal: "SIGTERM" });
    expect(code).toBe(5);
  });

  test("runs from node_modules, where Node strips no types", async () => {
    const { code, lines, stderr } = await run(installed, [], env);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({ value: 3 });
  });
});

test("a larger thread pool stays, a smaller one is raised", async () => {
  expect((await run(root, [], { UV_THREADPOOL_SIZE: "64" })).lines[0]).toMatchObject({
    pool: "64",
  });
  expect((await run(root, [], { UV_THREADPOOL_SIZE: "2" })).lines[0]).toMatchObject({ pool: "16" });
});

test.each([
  [["serve", "-a"], { args: ["-a"] }],
  [["sql", "SELECT 1"], { sql: ["SELECT 1"] }],
  [["bench"], { bench: root }],
  [["test", "test/x", "-t", "y"], { vitest: ["run", "test/x", "-t", "y"] }],
])("%j chooses what runs", async (args, expected) => {
  const { code, lines } = await run(root, args);
  expect(code).toBe(0);
  expect(lines[0]).toMatchObject(expected);
});

test("check runs its tools one after the other and ends with the first that fails", async () => {
  const good = await run(root, ["check"]);
  expect(good.lines).toEqual([{ biome: ["check"] }, { tsc: ["-p", "."] }, { vitest: ["run"] }]);
  expect(good.code).toBe(0);
  const bad = await run(root, ["check"], { TSC_FAILS: "1" });
  expect(bad.lines).toHaveLength(2);
  expect(bad.code).toBe(2);
});

test("an unknown command and one that is not part of the installation say so", async () => {
  const unknown = await run(root, ["srve"]);
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain('unknown command "srve"; known are serve,');
  const missing = await run(root, ["explain"]);
  expect(missing.code).toBe(1);
  expect(missing.stderr).toContain("does not exist in this installation");
});

describe("with a Node that is too old", () => {
  /** Stands for npm: makes a binary that says its version, slowly, or fails. */
  const NPM = `import { mkdirSync, writeFileSync, chmodSync } from "node:fs";
import { dirname, join } from "node:path";
const args = process.argv.slice(2);
if (process.env.NPM_FAILS) { console.error("npm error code ENOTFOUND"); process.exit(1); }
const prefix = args[args.indexOf("--prefix") + 1];
const file = join(prefix, "node_modules", args.at(-1).split("@")[0], "bin", "node");
mkdirSync(dirname(file), { recursive: true });
await new Promise((done) => setTimeout(done, 200));
writeFileSync(file, "#!/bin/sh\\necho " + (process.env.NPM_VERSION ?? "v24.1.0") + "\\n");
chmodSync(file, 0o755);
`;
  const npm = join(base, "npm-cli.js");

  beforeAll(() => {
    writeFileSync(join(base, "package.json"), '{"type":"module"}');
    writeFileSync(npm, NPM);
  });

  async function find(where: string, env: Record<string, string> = {}) {
    const finder = JSON.stringify(join(BIN, "find-node.mjs"));
    const script = `import(${finder}).then((m) => console.log(JSON.stringify({ node: m.findNode(${JSON.stringify(where)}, "20.20.2") })))`;
    const child = spawn(process.execPath, ["-e", script], {
      env: { ...process.env, npm_execpath: npm, XDG_CACHE_HOME: join(base, "cache"), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return finish(child);
  }

  const inRuntime = (root: string) =>
    expect.stringMatching(
      new RegExp(`^${root}/.runtime/[a-z]+-[a-z0-9]+-v24/node_modules/node-[a-z0-9-]+/bin/node$`),
    );

  test.skipIf(process.platform === "win32")("one is installed once, then found again", async () => {
    const where = project("old-1");
    const first = await find(where);
    expect(first.lines).toEqual([{ node: inRuntime(where) }]);
    expect(first.stderr).toMatch(
      /^pintail: Node 20\.20\.2 is too old, installing node-\S+@24 into \S+\n$/,
    );
    const second = await find(where, { NPM_FAILS: "1" });
    expect(second.lines).toEqual(first.lines);
    expect(second.stderr).toBe("");
  });

  test.skipIf(process.platform === "win32")("two starts at a time end with one", async () => {
    const where = project("old-2");
    const [a, b] = await Promise.all([find(where), find(where)]);
    expect([a.code, b.code]).toEqual([0, 0]);
    expect(a.lines).toEqual(b.lines);
    expect(readdirSync(join(where, ".runtime"))).toHaveLength(1);
  });

  test.skipIf(process.platform === "win32").each([
    ["npm fails", { NPM_FAILS: "1" }, "npm error code ENOTFOUND"],
    ["the binary is too old itself", { NPM_VERSION: "v18.0.0" }, "does not run here (v18.0.0)"],
  ])("when %s, the error says what to do and nothing stays", async (_, env, message) => {
    const where = project(`old-${Object.keys(env)[0]}`);
    const { code, stderr } = await find(where, env);
    expect(code).toBe(1);
    expect(stderr).toContain("Node 22.18 or later is needed, this is 20.20.2.");
    expect(stderr).toContain(message);
    expect(stderr).toContain("Install Node 24 from https://nodejs.org");
    expect(readdirSync(join(where, ".runtime"))).toEqual([]);
  });

  test.skipIf(process.platform === "win32")(
    "an installed package uses the user's cache",
    async () => {
      const { lines } = await find(installed);
      expect(String(lines[0]?.node)).toContain(join(base, "cache", "pintail", "runtime"));
      expect(existsSync(join(installed, ".runtime"))).toBe(false);
    },
  );

  test("versions are compared by their numbers", async () => {
    const finder: string = join(BIN, "find-node.mjs");
    const { isNewEnough } = await import(finder);
    const versions = [
      "22.18.0",
      "v22.20.1",
      "23.0.0",
      "100.0.0",
      "22.17.9",
      "20.20.2",
      "9.30.0",
      "",
    ];
    expect(versions.map(isNewEnough)).toEqual([true, true, true, true, false, false, false, false]);
  });
});
