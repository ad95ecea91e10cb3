/** CPU time of this process, all threads, user and system, while `work` runs; microseconds. */
export function cpuMicros(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const used = process.cpuUsage(before);
  return used.user + used.system;
}
