import type { Hono } from "hono";
import { queryRoutes } from "../../src/api/http/query-routes.ts";
import { DEFAULT_TAIL_SETTINGS } from "../../src/query/tail/settings.ts";
import { Tails } from "../../src/query/tail/tails.ts";
import { Readiness } from "../../src/server/readiness.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import type { SegmentStore } from "../query/segment-store.ts";

export const BUILD_INFO = {
  version: "3.0.3",
  revision: "",
  branch: "",
  buildUser: "",
  buildDate: "",
  goVersion: "go1.26",
};

export function apiOf(
  store: SegmentStore,
  options: { apiPrefix?: string; multitenancyEnabled?: boolean; readiness?: Readiness } = {},
): Hono {
  const engine = store.engine();
  return queryRoutes({
    engine,
    tails: new Tails({ engine, log: silentLogger }, DEFAULT_TAIL_SETTINGS),
    log: silentLogger,
    tenantRules: {
      multitenancyEnabled: options.multitenancyEnabled ?? false,
      multiTenantQueriesEnabled: store.settings.multiTenantQueriesEnabled,
    },
    apiPrefix: options.apiPrefix ?? "",
    status: {
      readiness: options.readiness ?? new Readiness(),
      buildInfo: BUILD_INFO,
      versionText: "pintail 0.1.0",
      services: () => [
        { name: "ingest", state: "Running" },
        { name: "query", state: "Running" },
      ],
      configYaml: (mode) => `mode: "${mode}"\n`,
      runtimeConfigYaml: () => "overrides: {}\n",
      metricsText: () => `# TYPE tempo_build_info gauge\n${"x".repeat(2000)}\n`,
    },
  });
}
