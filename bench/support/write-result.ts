import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join, resolve } from "node:path";
import type { BenchResult } from "./figures.ts";
import type { BenchOptions } from "./options.ts";

const RESULTS_DIR = resolve(import.meta.dirname, "../results");

/** Writes `bench/results/<name>-<date>.json`; returns its path. */
export function writeResult(result: BenchResult, options: BenchOptions, now: Date): string {
  mkdirSync(RESULTS_DIR, { recursive: true });
  const date = now.toISOString().replaceAll(":", "-").slice(0, 19);
  const name = options.smoke ? `${result.name}-smoke` : result.name;
  const path = join(RESULTS_DIR, `${name}-${date}.json`);
  const content = {
    ...result,
    smoke: options.smoke,
    serverRuntime: options.runtime,
    measuredAt: now.toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? "",
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      platform: `${process.platform}-${process.arch}`,
      node: process.version,
    },
  };
  writeFileSync(path, `${JSON.stringify(content, undefined, 2)}\n`);
  return path;
}
