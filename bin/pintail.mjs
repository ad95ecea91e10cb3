#!/usr/bin/env node
// Starts Pintail, or one of its commands, on a Node that is new enough. Plain JavaScript, because it
// must parse on the Node that the machine happens to have; everything behind it is TypeScript.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { resolveCommand } from "./commands.mjs";
import { findNode } from "./find-node.mjs";
import { runSteps } from "./run.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

try {
  const command = resolveCommand(root, process.argv.slice(2));
  await runSteps(root, findNode(root), command);
} catch (error) {
  process.stderr.write(`pintail: ${error instanceof Error ? error.message : error}\n`);
  process.exit(error?.exitCode ?? 1);
}
