import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const BIN = resolve(import.meta.dirname, "../../node_modules/.bin");

/** Command line of a runtime: named by a variable, or installed from npm. */
function runtime(name: string, variable: string, args: readonly string[]): string[] | undefined {
  const given = process.env[variable];
  const binary = given !== undefined && given !== "" ? given : join(BIN, name);
  return existsSync(binary) ? [binary, ...args] : undefined;
}

/** Command lines before `src/main.ts`; `undefined` for a runtime that is not there. */
export const RUNTIMES: Readonly<Record<string, readonly string[] | undefined>> = {
  Node: [process.execPath],
  Bun: runtime("bun", "PINTAIL_BUN", ["run"]),
  Deno: runtime("deno", "PINTAIL_DENO", ["run", "--allow-all", "--no-prompt"]),
};
