import process from "node:process";

/**
 * Milliseconds of CPU that this thread has used, as far as the runtime can tell: else the time that
 * has passed, which is no less. Only differences count.
 */
export function threadCpuMs(): number {
  const usage = cpuUsageOfThread();
  return usage === undefined ? performance.now() : (usage.user + usage.system) / 1000;
}

/** Node has it from 23.9 on. */
function cpuUsageOfThread(): { user: number; system: number } | undefined {
  const { threadCpuUsage } = process as Partial<Pick<typeof process, "threadCpuUsage">>;
  return typeof threadCpuUsage === "function" ? threadCpuUsage.call(process) : undefined;
}
