import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { FAILPOINTS, parseFailpoint } from "../../src/runtime/failpoints.ts";

const MODULE = resolve(import.meta.dirname, "../../src/runtime/failpoints.ts");
const run = promisify(execFile);

/** Runs `code`, which has `reached`, with the variable set to `failpoint`. */
function child(code: string, failpoint: string) {
  const source = `import { reached } from ${JSON.stringify(MODULE)};\n${code}`;
  const env = { ...process.env, PINTAIL_FAILPOINT: failpoint };
  return run(process.execPath, ["--input-type=module", "-e", source], { env });
}

const TWICE = `for (const i of [1, 2]) { reached("cut:written"); console.log(i); }`;

test("a point kills the process the n-th time, before anything else happens", async () => {
  await expect(child(TWICE, "cut:written")).rejects.toMatchObject({
    signal: "SIGKILL",
    stdout: "",
  });
  await expect(child(TWICE, "cut:written:2")).rejects.toMatchObject({
    signal: "SIGKILL",
    stdout: "1\n",
  });
});

test("others, and without the variable all of them, do nothing", async () => {
  for (const failpoint of ["", "cut:committed", "cut:written:3"]) {
    expect((await child(TWICE, failpoint)).stdout).toBe("1\n2\n");
  }
});

test("a name that is none ends the process at the start", async () => {
  await expect(child(TWICE, "cut:writen")).rejects.toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining('PINTAIL_FAILPOINT: there is no failpoint "cut:writen"'),
  });
});

test("a value is a name, and how many times", () => {
  for (const name of Object.keys(FAILPOINTS)) {
    expect(parseFailpoint(name)).toEqual({ name, times: 1 });
    expect(parseFailpoint(`${name}:12`)).toEqual({ name, times: 12 });
  }
  for (const wrong of ["cut", "cut:written:", "cut:written:0", "cut:written:x", "toString:a"]) {
    expect(() => parseFailpoint(wrong)).toThrow("there is no failpoint");
  }
});

test("each point is at one place in the sources", () => {
  const src = resolve(import.meta.dirname, "../../src");
  const found = readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => [...readFileSync(join(src, name), "utf8").matchAll(/reached\("(.+?)"\)/g)])
    .map(([, point]) => point);
  expect(found.sort()).toEqual(Object.keys(FAILPOINTS).sort());
});
