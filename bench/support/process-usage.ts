import { readdirSync, readFileSync } from "node:fs";

/** What Linux knows of a process. */
export type ProcessUsage = {
  /** User and system time of all threads and of the children, in microseconds; 10 ms steps. */
  readonly cpuMicros: number;
  readonly rssBytes: number;
  /** Largest resident size so far. */
  readonly peakRssBytes: number;
};

/** `/proc` counts in hundredths of a second on every architecture that Node runs on. */
const TICK_MICROS = 10_000;
/** utime, stime, and the same of children that have ended, counted from the state field. */
const CPU_FIELDS = [11, 12, 13, 14] as const;

/** Whether `/proc` is there: elsewhere CPU and memory of a server are not measured. */
export function canReadUsage(): boolean {
  return process.platform === "linux";
}

export function processUsage(pid: number): ProcessUsage {
  if (!canReadUsage())
    return { cpuMicros: Number.NaN, rssBytes: Number.NaN, peakRssBytes: Number.NaN };
  const usages = [usageOf(pid), ...descendants(pid).flatMap((child) => usageOfLiving(child))];
  const sum = (pick: (usage: ProcessUsage) => number) =>
    usages.reduce((total, usage) => total + pick(usage), 0);
  return {
    cpuMicros: sum((usage) => usage.cpuMicros),
    rssBytes: sum((usage) => usage.rssBytes),
    peakRssBytes: sum((usage) => usage.peakRssBytes),
  };
}

function usageOf(pid: number): ProcessUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The program's name stands in parentheses and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = CPU_FIELDS.reduce((total, field) => total + Number(fields[field]), 0);
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpuMicros: ticks * TICK_MICROS,
    rssBytes: kibibytes(status, "VmRSS"),
    peakRssBytes: kibibytes(status, "VmHWM"),
  };
}

/** A child may end while it is looked at; its time is then in its parent's. */
function usageOfLiving(pid: number): ProcessUsage[] {
  try {
    return [usageOf(pid)];
  } catch {
    return [];
  }
}

function kibibytes(status: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status);
  return Number(match?.[1] ?? 0) * 1024;
}

function descendants(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
      return children
        .split(" ")
        .filter((text) => text.trim() !== "")
        .flatMap((text) => [Number(text), ...descendants(Number(text))]);
    });
  } catch {
    return [];
  }
}
