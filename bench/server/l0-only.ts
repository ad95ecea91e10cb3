/**
 * The server with one difference: L1 segments are not built, so that WAL and L0 can be measured
 * alone. No setting of the real one can say that.
 */
import { readFileSync } from "node:fs";
import { startApp } from "../../src/app.ts";
import { loadSettings } from "../../src/config/load.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { relaxCollector } from "../../src/runtime/heap-policy.ts";
import { onStopSignal } from "../../src/runtime/signals.ts";
import { createLogger } from "../../src/telemetry/logger.ts";

relaxCollector();
const readFile = (path: string): string => readFileSync(path, "utf8");
const loaded = loadSettings({ args: process.argv.slice(2), env: process.env, readFile });
if (loaded.action !== "run") throw new Error(`cannot ${loaded.action}`);
const { settings } = loaded;
const config = {
  ...loaded,
  settings: {
    ...settings,
    ingest: {
      ...settings.ingest,
      l1Spans: Number.MAX_SAFE_INTEGER,
      l1WalBytes: Number.MAX_SAFE_INTEGER,
      l1AfterMs: Number.MAX_SAFE_INTEGER,
    },
  },
};
const onFatal = (error: unknown): void => {
  console.error(error);
  process.exit(1);
};
const log = createLogger(settings.log, systemClock.nowUnixMs, (line) => {
  process.stdout.write(`${line}\n`);
});
const app = await startApp({ config, log, readFile, onFatal });
onStopSignal(() => {
  app.stop().then(() => process.exit(0), onFatal);
});
