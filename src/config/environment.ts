import { ConfigError } from "./config-error.ts";
import { parseYamlInt } from "./scalar.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/**
 * The variables that Pintail reads, and their documentation. Others that begin with `PINTAIL_` are
 * left alone: Kubernetes sets some for a service of that name.
 */
export const ENVIRONMENT = {
  PINTAIL_CONFIG_FILE: "The configuration file when there is no `-config.file`.",
  PINTAIL_DATA_DIR:
    "Folder of write-ahead log, segments and catalog, over the file's paths; `./pintail-data` when neither is set.",
  PINTAIL_LOG_LEVEL: "Over `server.log_level`.",
  PINTAIL_QUERY_MEMORY_BYTES: "Memory that queries may use before they spill to disk; 536870912.",
} as const;

const DEFAULT_QUERY_MEMORY_BYTES = 512 * 1024 * 1024;
/** Below this even a small query fails instead of spilling. */
const MIN_QUERY_MEMORY_BYTES = 64 * 1024 * 1024;
/** Node's and libuv's own default. */
const DEFAULT_THREAD_POOL = 4;

export function envText(env: Env, name: keyof typeof ENVIRONMENT): string | undefined {
  return env[name] || undefined;
}

export function queryMemoryBytes(env: Env): number {
  const text = envText(env, "PINTAIL_QUERY_MEMORY_BYTES");
  if (text === undefined) return DEFAULT_QUERY_MEMORY_BYTES;
  const bytes = parseYamlInt(text);
  if (bytes === undefined || bytes < MIN_QUERY_MEMORY_BYTES) {
    throw new ConfigError(
      `PINTAIL_QUERY_MEMORY_BYTES must be an integer of at least ${MIN_QUERY_MEMORY_BYTES}`,
    );
  }
  return bytes;
}

/**
 * How many queries may run at a time without starving file I/O: each holds a thread of libuv's
 * pool while it runs. A pool of at least 8 keeps 4 threads for files; a smaller one keeps half.
 */
export function maxParallelQueries(env: Env): number {
  const pool = parseYamlInt(env.UV_THREADPOOL_SIZE ?? "") ?? DEFAULT_THREAD_POOL;
  return pool >= 8 ? pool - 4 : Math.max(1, Math.floor(pool / 2));
}
