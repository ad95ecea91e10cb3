import { readFileSync } from "node:fs";
import process from "node:process";
import { banner } from "./app/banner.ts";
import { startApp } from "./app.ts";
import { ConfigError } from "./config/config-error.ts";
import { type LoadedConfig, loadSettings } from "./config/load.ts";
import { systemClock } from "./runtime/clock.ts";
import { collectGarbage, relaxCollector } from "./runtime/heap-policy.ts";
import { onStopSignal } from "./runtime/signals.ts";
import { createLogger } from "./telemetry/logger.ts";
import { EMULATED_TEMPO, VERSION } from "./version.ts";

const HEALTH_TIMEOUT_MS = 5000;
/** After `shutdown_delay` stopping takes at most about this long; whatever hangs then is cut off. */
const STOP_TIMEOUT_MS = 12_000;

const readFile = (path: string): string => readFileSync(path, "utf8");

async function main(): Promise<void> {
  relaxCollector();
  let loaded: ReturnType<typeof loadSettings>;
  try {
    loaded = loadSettings({ args: process.argv.slice(2), env: process.env, readFile });
  } catch (e) {
    if (!(e instanceof ConfigError)) throw e;
    process.stderr.write(`${e.message}\n`);
    process.exit(e.exitCode);
  }
  switch (loaded.action) {
    case "help":
      process.stdout.write(`${loaded.text}\n`);
      return;
    case "version":
      process.stdout.write(`pintail, version ${VERSION}, speaks Tempo ${EMULATED_TEMPO}\n`);
      return;
    case "health":
      return health(loaded.url);
    case "verify":
      for (const warning of loaded.warnings) process.stderr.write(`warning: ${warning}\n`);
      process.exit(loaded.warnings.length === 0 ? 0 : 1);
      return;
    case "run":
      return run(loaded);
    default:
      loaded satisfies never;
  }
}

async function run(config: LoadedConfig): Promise<void> {
  const log = createLogger(config.settings.log, systemClock.nowUnixMs, (line) => {
    process.stdout.write(`${line}\n`);
  });
  for (const warning of config.warnings) log.warn(warning);
  const onFatal = (error: unknown): void => {
    log.error("cannot go on", { error });
    process.exit(1);
  };
  process.on("uncaughtException", onFatal);
  process.on("unhandledRejection", onFatal);
  // A signal during the start ends it: nothing is acknowledged yet.
  const removeEarly = onStopSignal(() => process.exit(0));
  let app: Awaited<ReturnType<typeof startApp>>;
  try {
    app = await startApp({ config, log, readFile, onFatal });
  } catch (error) {
    log.error("error initialising Pintail", { error });
    process.stderr.write(`error initialising Pintail: ${messageOf(error)}\n`);
    process.exit(1);
  }
  removeEarly();
  process.stderr.write(banner(config.settings, app.doors));
  collectGarbage();
  onStopSignal((signal) => {
    log.info("stopping", { signal });
    const timeoutMs = config.settings.server.shutdownDelayMs + STOP_TIMEOUT_MS;
    setTimeout(() => onFatal(new Error("stopping took too long")), timeoutMs).unref();
    app.stop().then(() => {
      log.info("stopped");
      process.exit(0);
    }, onFatal);
  });
}

async function health(url: string): Promise<void> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    process.stdout.write("Pintail is healthy\n");
  } catch (e) {
    process.stderr.write(`Pintail is not healthy: ${messageOf(e)}\n`);
    process.exit(1);
  }
}

function messageOf(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}

await main();
