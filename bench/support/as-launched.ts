import process from "node:process";

/** What the launcher (`bin/run.mjs`) gives Node: memory is measured as it is in production. */
export const LAUNCHER_FLAGS: readonly string[] = process.versions.bun
  ? []
  : ["--max-semi-space-size=1"];

/** What the launcher sets; the environment of the bench wins, as the user's does there. */
export const LAUNCHER_ENV = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "1048576",
  GLIBC_TUNABLES: "glibc.malloc.tcache_count=500",
} as const;
