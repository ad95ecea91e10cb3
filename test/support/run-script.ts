import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";

/** Starts a script of this repository with the runtime that runs the tests. */
export function runScript(
  script: string,
  args: readonly string[],
): ChildProcessByStdio<null, Readable, null> {
  const runtime = "Deno" in globalThis ? ["run", "-A", "--node-modules-dir=manual"] : [];
  return spawn(process.execPath, [...runtime, script, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}
