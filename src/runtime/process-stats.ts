import { availableParallelism } from "node:os";
import process from "node:process";
import type { BuildInfo, ProcessStats } from "../telemetry/process-metrics.ts";
import { platform } from "./platform.ts";

export function readProcessStats(): ProcessStats {
  const memory = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: memory.rss,
    heapBytes: memory.heapUsed,
    cpuSeconds: (user + system) / 1e6,
  };
}

/** When this process began, by the wall clock. */
export function processStartUnixMs(): number {
  return Date.now() - process.uptime() * 1000;
}

/** The machine's part of `BuildInfo`. */
export function platformInfo(): Pick<BuildInfo, "runtime" | "os" | "arch"> {
  const version = process.versions[platform] ?? process.version;
  return {
    runtime: `${platform}${version.startsWith("v") ? version.slice(1) : version}`,
    os: process.platform,
    arch: process.arch === "x64" ? "amd64" : process.arch,
  };
}

/** Processors that this process may use. */
export function availableCores(): number {
  return availableParallelism();
}
