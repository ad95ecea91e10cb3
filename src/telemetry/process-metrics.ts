import type { MetricRegistry } from "./metrics.ts";

/** What the operating system says of this process; `runtime` reads it. */
export type ProcessStats = {
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
};

export type BuildInfo = {
  readonly version: string;
  readonly revision: string;
  readonly branch: string;
  /** Stands in for Go's version: the runtime and its version. */
  readonly runtime: string;
  readonly os: string;
  readonly arch: string;
};

/** Registers the usual `process_*` metrics and `tempo_build_info`. */
export function registerProcessMetrics(
  registry: MetricRegistry,
  read: () => ProcessStats,
  startUnixMs: number,
  build: BuildInfo,
): void {
  const resident = registry.gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory size in bytes.",
  });
  const heap = registry.gauge({
    name: "pintail_heap_used_bytes",
    help: "JavaScript heap in use, of the main thread.",
  });
  const cpu = registry.counter({
    name: "process_cpu_seconds_total",
    help: "Total user and system CPU time spent in seconds.",
  });
  registry
    .gauge({
      name: "process_start_time_seconds",
      help: "Start time of the process since unix epoch in seconds.",
    })
    .set({}, startUnixMs / 1000);
  registry
    .gauge({
      name: "tempo_build_info",
      help: "A metric with a constant '1' value labeled by the build.",
      labels: ["branch", "goarch", "goos", "goversion", "revision", "tags", "version"],
    })
    .set(
      {
        branch: build.branch,
        goarch: build.arch,
        goos: build.os,
        goversion: build.runtime,
        revision: build.revision,
        tags: "",
        version: build.version,
      },
      1,
    );
  let cpuSeconds = 0;
  registry.onCollect(() => {
    const stats = read();
    resident.set({}, stats.residentBytes);
    heap.set({}, stats.heapBytes);
    if (stats.cpuSeconds > cpuSeconds) {
      cpu.inc({}, stats.cpuSeconds - cpuSeconds);
      cpuSeconds = stats.cpuSeconds;
    }
  });
}
