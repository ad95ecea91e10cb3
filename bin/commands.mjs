import { existsSync } from "node:fs";
import { join } from "node:path";

/** Commands that are a file of `src/cli`. */
const CLI = [
  "sql",
  "export",
  "import",
  "catalog",
  "retention",
  "redact",
  "explain",
  "demo",
  "readme-tables",
];

/** Commands for those who work on Pintail: they run in the project's folder. */
const DEVELOPMENT = ["test", "check", "bench"];

/**
 * What to run for a command line: one script after the other, each with its arguments. Without a
 * command, that is with nothing or with flags only, the server starts.
 *
 * @param {string} root the folder that holds `src`
 * @param {string[]} args without the program's name
 * @returns {{ steps: { script: string, args: string[] }[], inRoot: boolean }}
 */
export function resolveCommand(root, args) {
  const [first, ...rest] = args;
  if (first === undefined || first.startsWith("-")) return serve(root, args);
  if (first === "serve") return serve(root, rest);
  if (CLI.includes(first)) return one(join(root, "src", "cli", `${first}.ts`), rest);
  switch (first) {
    case "bench":
      return { ...one(join(root, "bench", "main.ts"), rest), inRoot: true };
    case "test":
      return { steps: [vitest(root, rest)], inRoot: true };
    case "check":
      return {
        steps: [
          { script: tool(root, "@biomejs/biome", "bin/biome"), args: ["check", ...rest] },
          { script: tool(root, "typescript", "bin/tsc"), args: ["-p", "."] },
          vitest(root, []),
        ],
        inRoot: true,
      };
    default: {
      const known = ["serve", ...CLI, ...DEVELOPMENT].join(", ");
      const error = new Error(`unknown command "${first}"; known are ${known}`);
      throw Object.assign(error, { exitCode: 2 });
    }
  }
}

function serve(root, args) {
  return one(join(root, "src", "main.ts"), args);
}

function one(script, args) {
  if (!existsSync(script)) throw new Error(`${script} does not exist in this installation`);
  return { steps: [{ script, args }], inRoot: false };
}

function vitest(root, args) {
  const config = join(root, "test", "vitest.config.ts");
  const configArgs = existsSync(config) ? ["--root", root, "--config", config] : [];
  return { script: tool(root, "vitest", "vitest.mjs"), args: ["run", ...configArgs, ...args] };
}

function tool(root, name, file) {
  const script = join(root, "node_modules", name, file);
  if (!existsSync(script))
    throw new Error(`${name} is not installed: run "npm install" in ${root}`);
  return script;
}
