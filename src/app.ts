import { Hono } from "hono";
import { queryGrpcService } from "./api/grpc/health.ts";
import { queryRoutes } from "./api/http/query-routes.ts";
import { Core } from "./app/core.ts";
import { type Doors, openDoors } from "./app/doors.ts";
import { openStorage } from "./app/storage.ts";
import {
  compactionMetrics,
  ingestMetrics,
  registerAlertMetrics,
  registerStorageMetrics,
  retentionMetrics,
} from "./app/tempo-metrics.ts";
import type { LoadedConfig } from "./config/load.ts";
import { renderConfig, renderYaml } from "./config/render.ts";
import { nodeFiles } from "./drivers/files/node-files.ts";
import { QueryEngine } from "./query/query-context.ts";
import { systemClock } from "./runtime/clock.ts";
import { platformInfo, processStartUnixMs, readProcessStats } from "./runtime/process-stats.ts";
import { Readiness } from "./server/readiness.ts";
import { requestMetrics } from "./server/request-metrics.ts";
import { segmentPath } from "./storage/segments/segment-writer.ts";
import type { Logger } from "./telemetry/logger.ts";
import { MetricRegistry } from "./telemetry/metrics.ts";
import { registerProcessMetrics } from "./telemetry/process-metrics.ts";
import { EMULATED_TEMPO, VERSION } from "./version.ts";

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
export async function startApp({ config, log, readFile, onFatal }: AppParts): Promise<App> {
  const { settings, overrides } = config;
  const { nowUnixMs, monotonicMs } = systemClock;
  const limitsFor = (tenant: string) => overrides.limitsFor(tenant);
  const files = nodeFiles();
  const metrics = new MetricRegistry();
  const readiness = new Readiness();
  let opened = false;
  readiness.add(() => (opened ? undefined : "Some services are not Running:\nStarting: 1"));

  const storage = await openStorage({ files, log, nowMs: nowUnixMs }, settings);
  let core: Core | undefined;
  let doors: Doors | undefined;
  const timers: ReturnType<typeof setInterval>[] = [];
  const closeAll = async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer);
    await doors?.close(Math.min(MAX_DOOR_CLOSE_MS, settings.server.gracefulShutdownTimeoutMs));
    await core?.close();
    await storage.close();
  };
  try {
    core = await Core.open(
      {
        files,
        catalog: storage.catalog,
        limitsFor,
        log,
        nowMs: nowUnixMs,
        ingestMetrics: ingestMetrics(metrics),
        compactionMetrics: compactionMetrics(metrics),
        retentionMetrics: retentionMetrics(metrics),
        onFatal,
      },
      { ingest: settings.ingest, retention: settings.retention, tempDir: settings.query.tempDir },
    );
    const { cutter, wal, ingest } = core;
    const running = core;
    registerStorageMetrics(metrics, {
      catalog: storage.catalog,
      wal,
      pendingBytes: () => cutter.pendingBytes(),
    });
    registerAlertMetrics(metrics);
    registerProcessMetrics(metrics, readProcessStats, processStartUnixMs(), {
      version: VERSION,
      revision: "",
      branch: "",
      ...platformInfo(),
    });

    const engine = new QueryEngine({
      catalog: storage.catalog,
      database: storage.queries,
      segmentPath: (meta) => segmentPath(settings.ingest.segmentDir, meta),
      cutHead: (signal) => running.cutHead(signal),
      limitsFor: (tenant) => limitsFor(tenant).query,
      settings: settings.query,
      nowMs: nowUnixMs,
    });
    const tenantRules = {
      multitenancyEnabled: settings.server.multitenancyEnabled,
      multiTenantQueriesEnabled: settings.query.multiTenantQueriesEnabled,
    };
    const requests = requestMetrics(metrics, log, monotonicMs);
    const api = new Hono();
    api.use(requests.http);
    const routes = queryRoutes({
      engine,
      log,
      tenantRules,
      apiPrefix: settings.server.httpApiPrefix,
      status: {
        readiness,
        buildInfo: {
          version: EMULATED_TEMPO,
          revision: "",
          branch: "",
          buildUser: "",
          buildDate: "",
          goVersion: platformInfo().runtime,
        },
        versionText: `pintail, version ${VERSION} (${platformInfo().runtime}), speaks Tempo ${EMULATED_TEMPO}`,
        services: () => [
          { name: "receivers", state: opened ? "Running" : "Starting" },
          { name: "ingest", state: "Running" },
          { name: "compactor", state: settings.retention.disabled ? "Disabled" : "Running" },
          { name: "query", state: "Running" },
        ],
        configYaml: (mode) => renderConfig(config, mode),
        runtimeConfigYaml: () =>
          renderYaml(
            Object.fromEntries(overrides.tenants().map((t) => [t, overrides.entry(t) ?? null])),
          ),
        metricsText: settings.server.registerInstrumentation ? () => metrics.render() : undefined,
      },
    });
    api.route(settings.server.httpPathPrefix || "/", routes);
    api.notFound((c) => routes.fetch(c.req.raw));

    doors = await openDoors(
      {
        ingest,
        otlp: {
          multitenancyEnabled: settings.server.multitenancyEnabled,
          metrics,
          log,
          monotonicMs,
        },
        api: (request, env) => api.fetch(request, env),
        grpc: queryGrpcService(readiness, requests.grpc),
        report: (error) => log.error("request failed", { error }),
      },
      { server: settings.server, otlp: settings.otlp },
    );
  } catch (e) {
    await closeAll().catch(() => {});
    throw e;
  }
  const overrideFile = settings.perTenantOverrideFile;
  if (overrideFile !== undefined) {
    const reload = () => {
      try {
        for (const warning of overrides.reload(readFile(overrideFile))) log.warn(warning);
      } catch (error) {
        log.error("per-tenant overrides not reloaded", { error });
      }
    };
    timers.push(setInterval(reload, settings.perTenantOverridePeriodMs));
  }
  opened = true;
  let stopping: Promise<void> | undefined;
  return {
    doors: doors.listeners,
    stop() {
      stopping ??= (async () => {
        readiness.stop();
        if (settings.server.shutdownDelayMs > 0) {
          await new Promise((resolve) => setTimeout(resolve, settings.server.shutdownDelayMs));
        }
        await closeAll();
      })();
      return stopping;
    },
  };
}
