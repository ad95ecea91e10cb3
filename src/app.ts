import { adminTokenOf } from "./app/admin-token-file.ts";
import { buildApi } from "./app/api.ts";
import { Core } from "./app/core.ts";
import { type Doors, openDoors } from "./app/doors.ts";
import { Generator } from "./app/generator.ts";
import { followRedactions } from "./app/redaction-work.ts";
import { openStorage, type Storage } from "./app/storage.ts";
import {
  compactionMetrics,
  ingestMetrics,
  registerAlertMetrics,
  registerRetentionGauges,
  registerStorageMetrics,
  retentionMetrics,
} from "./app/tempo-metrics.ts";
import type { LoadedConfig } from "./config/load.ts";
import { nodeFiles } from "./drivers/files/node-files.ts";
import { systemClock } from "./runtime/clock.ts";
import { platformInfo, processStartUnixMs, readProcessStats } from "./runtime/process-stats.ts";
import { AdminTokens } from "./server/admin-token.ts";
import { Readiness } from "./server/readiness.ts";
import type { Logger } from "./telemetry/logger.ts";
import { MetricRegistry } from "./telemetry/metrics.ts";
import { registerProcessMetrics } from "./telemetry/process-metrics.ts";
import { VERSION } from "./version.ts";

export type AppParts = {
  readonly config: LoadedConfig;
  readonly log: Logger;
  /** Reads a settings file, for the reload of the per-tenant overrides. */
  readonly readFile: (path: string) => string;
  /** The process cannot go on. */
  readonly onFatal: (error: unknown) => void;
};

export interface App {
  /** Name and port of each open door. */
  readonly doors: Doors["listeners"];
  /** Stops in order: not ready, doors, ingest, a last cut, files. At most about ten seconds. */
  stop(): Promise<void>;
}

/** In-flight requests get this long when Pintail stops, whatever the file allows. */
const MAX_DOOR_CLOSE_MS = 4000;

/** Builds all parts, connects them, recovers what the disk holds, and opens the doors. */
export async function startApp(parts: AppParts): Promise<App> {
  const { config, log } = parts;
  const { settings } = config;
  const files = nodeFiles();
  const metrics = new MetricRegistry();
  const readiness = new Readiness();
  let opened = false;
  readiness.add(() => (opened ? undefined : "Some services are not Running:\nStarting: 1"));

  const storage = await openStorage(
    { files, log, nowMs: systemClock.nowUnixMs, metrics },
    settings,
  );
  let generator: Generator | undefined;
  let core: Core | undefined;
  let doors: Doors | undefined;
  let stopStreams = (): void => {};
  let stopRedactions = async (): Promise<void> => {};
  const closeAll = async (): Promise<void> => {
    await doors?.close(Math.min(MAX_DOOR_CLOSE_MS, settings.server.gracefulShutdownTimeoutMs));
    await stopRedactions();
    await core?.close();
    await Promise.all([storage.close(), generator?.close()]);
  };
  try {
    generator = await openGenerator(parts, metrics);
    core = await openCore(parts, files, storage, { metrics, generator });
    registerMetrics(metrics, storage, core);
    const opening = core;
    const { adminToken, dataDir } = settings;
    const ownToken = await adminTokenOf(files, dataDir);
    const cutHead = (signal: AbortSignal) => opening.queryCut.cut(signal);
    const { api, grpc, matchTraces, stop } = buildApi({
      config,
      files,
      storage,
      cutHead,
      onCommitted: (listener) => {
        opening.onCommitted = listener;
      },
      recordKeys: (columns) => opening.usedKeys.record(columns),
      retentionReport: (tenants) => opening.retention.report(tenants),
      openRedactions: (findTraces) => {
        const { nowUnixMs: nowMs } = systemClock;
        const opened = followRedactions(opening, storage, findTraces, settings.retention, {
          ...{ log, nowMs },
        });
        stopRedactions = opened.stop;
        return opened.redactions;
      },
      admins: new AdminTokens(adminToken === undefined ? [ownToken] : [ownToken, adminToken]),
      metrics,
      readiness,
      log,
    });
    stopStreams = stop;
    core.matchTraces = matchTraces;
    doors = await openDoors(
      {
        ingest: core.ingest,
        receivers: {
          multitenancyEnabled: settings.server.multitenancyEnabled,
          metrics,
          log,
          monotonicMs: systemClock.monotonicMs,
        },
        api: (request, env) => api.fetch(request, env),
        grpc,
        report: (error) => log.error("request failed", { error }),
      },
      {
        server: settings.server,
        otlp: settings.otlp,
        jaeger: settings.jaeger,
        zipkin: settings.zipkin,
        kafka: settings.kafka,
      },
    );
  } catch (e) {
    await closeAll().catch(() => {});
    throw e;
  }
  const stopReloads = startReloads(parts);
  opened = true;
  let stopping: Promise<void> | undefined;
  return {
    doors: doors.listeners,
    stop() {
      stopping ??= (async () => {
        stopReloads();
        readiness.stop();
        if (settings.server.shutdownDelayMs > 0) {
          await new Promise((resolve) => setTimeout(resolve, settings.server.shutdownDelayMs));
        }
        stopStreams();
        await closeAll();
      })();
      return stopping;
    },
  };
}

function openCore(
  { config, log, onFatal }: AppParts,
  files: ReturnType<typeof nodeFiles>,
  { catalog, bucket, segmentCache }: Storage,
  { metrics, generator }: { metrics: MetricRegistry; generator: Generator | undefined },
): Promise<Core> {
  const { settings, overrides } = config;
  return Core.open(
    {
      files,
      catalog,
      limitsFor: (tenant) => overrides.limitsFor(tenant),
      log,
      clock: systemClock,
      ingestMetrics: ingestMetrics(metrics),
      compactionMetrics: compactionMetrics(metrics),
      retentionMetrics: retentionMetrics(metrics),
      bucket: bucket && segmentCache && { bucket, copies: segmentCache, files: segmentCache },
      metrics,
      generator: generator?.parts,
      onFatal,
    },
    { ingest: settings.ingest, retention: settings.retention, tempDir: settings.query.tempDir },
  );
}

/** Undefined: no metrics are made of spans. */
async function openGenerator(
  { config, log }: AppParts,
  metrics: MetricRegistry,
): Promise<Generator | undefined> {
  const { settings, overrides } = config;
  if (settings.generator === undefined) return undefined;
  return await Generator.open({
    settings: settings.generator,
    settingsOf: (tenant) => overrides.limitsFor(tenant).generator,
    clock: systemClock,
    random: Math.random,
    log,
    metrics,
  });
}

function registerMetrics(metrics: MetricRegistry, { catalog }: Storage, core: Core): void {
  const { wal, cutter, queryCut } = core;
  registerStorageMetrics(metrics, { catalog, wal, cutter, queryCut });
  registerRetentionGauges(metrics, catalog, core.retentionPolicyOf, systemClock.nowUnixMs);
  registerAlertMetrics(metrics);
  registerProcessMetrics(metrics, readProcessStats, processStartUnixMs(), {
    version: VERSION,
    revision: "",
    branch: "",
    ...platformInfo(),
  });
}

/** Reads the per-tenant overrides again and again; a broken file leaves the values of before. */
function startReloads({ config, log, readFile }: AppParts): () => void {
  const { perTenantOverrideFile: file, perTenantOverridePeriodMs } = config.settings;
  if (file === undefined) return () => {};
  const timer = setInterval(() => {
    try {
      for (const warning of config.overrides.reload(readFile(file))) log.warn(warning);
    } catch (error) {
      log.error("per-tenant overrides not reloaded", { error });
    }
  }, perTenantOverridePeriodMs);
  return () => clearInterval(timer);
}
