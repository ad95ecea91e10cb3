import { Hono } from "hono";
import { queryGrpcService } from "../api/grpc/health.ts";
import { JAEGER_METHODS } from "../api/grpc/jaeger-methods.ts";
import { streamingQuerier } from "../api/grpc/streaming-querier.ts";
import { queryRoutes } from "../api/http/query-routes.ts";
import { redactionRoutes } from "../api/http/redaction-routes.ts";
import { type RetentionRouteParts, retentionRoute } from "../api/http/retention-route.ts";
import { sqlRoutes } from "../api/http/sql.ts";
import type { StatusParts } from "../api/http/status-routes.ts";
import type { LoadedConfig } from "../config/load.ts";
import { renderConfig, renderYaml } from "../config/render.ts";
import { ProcessSql } from "../drivers/duckdb/isolated/process-sql.ts";
import type { Files } from "../drivers/files/files.ts";
import { QueryEngine } from "../query/query-context.ts";
import { SegmentReaders } from "../query/segment-readers.ts";
import { DEFAULT_SQL_SETTINGS } from "../query/sql/settings.ts";
import { SqlQuery } from "../query/sql/sql-query.ts";
import { DEFAULT_TAIL_SETTINGS } from "../query/tail/settings.ts";
import { Tails } from "../query/tail/tails.ts";
import { systemClock } from "../runtime/clock.ts";
import type { GrpcService } from "../runtime/grpc/service.ts";
import { availableCores, platformInfo } from "../runtime/process-stats.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { AdminTokens } from "../server/admin-token.ts";
import { connectHandlers, connectRoutes, lazyConnectHandlers } from "../server/connect.ts";
import type { Readiness } from "../server/readiness.ts";
import { requestMetrics } from "../server/request-metrics.ts";
import { textNotFound } from "../server/text-error.ts";
import type { RedactionParts, Redactions } from "../storage/redaction/redactions.ts";
import type { MatchTraces } from "../storage/retention/class-traces.ts";
import { SegmentFilters } from "../storage/segments/filters/segment-filters.ts";
import { segmentPath } from "../storage/segments/segment-writer.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";
import { EMULATED_TEMPO, VERSION } from "../version.ts";
import { matchTracesWith } from "./match-traces.ts";
import { redactedTracesWith } from "./redaction-work.ts";
import type { Storage } from "./storage.ts";
import { tailMetrics } from "./tempo-metrics.ts";

export type ApiParts = {
  readonly config: LoadedConfig;
  readonly files: Files;
  readonly storage: Storage;
  readonly cutHead: (signal: AbortSignal) => Promise<void>;
  /** Calls back with segments when queries find them. */
  readonly onCommitted: (listener: (segments: readonly SegmentSummary[]) => void) => void;
  readonly recordKeys: (columns: readonly string[]) => void;
  readonly retentionReport: RetentionRouteParts["report"];
  /** Opens the redactions, once their queries can run. */
  readonly openRedactions: (findTraces: RedactionParts["findTraces"]) => Redactions;
  readonly admins: AdminTokens;
  readonly metrics: MetricRegistry;
  readonly readiness: Readiness;
  readonly log: Logger;
};

/** Of a streaming request beside its query: a client must not fill the memory with larger ones. */
const STREAM_REQUEST_BYTES = 1024 * 1024;
/** Spill of one ad-hoc SQL query. */
const SQL_TEMP_BYTES = 4 * 1024 ** 3;

/** The query API: everything that the HTTP port answers, and the services of gRPC. */
export function buildApi(parts: ApiParts): {
  readonly api: Hono;
  readonly grpc: GrpcService;
  /** Finds the traces of retention classes. */
  readonly matchTraces: MatchTraces;
  /** Ends streams that have no end of their own. */
  readonly stop: () => void;
} {
  const { config, files, storage, cutHead, log, metrics } = parts;
  const { settings, overrides } = config;
  const { catalog, queries } = storage;
  const pathOf = (segment: { tenant: string; id: string }) =>
    segmentPath(settings.ingest.segmentDir, segment);
  const tenantRules = {
    multitenancyEnabled: settings.server.multitenancyEnabled,
    multiTenantQueriesEnabled: settings.query.multiTenantQueriesEnabled,
  };
  const engine = new QueryEngine({
    catalog,
    database: queries,
    segmentPath: pathOf,
    segmentFiles: storage.segmentCache,
    segmentFilters: new SegmentFilters({
      openFile: (segment) =>
        segment.object !== undefined && storage.segmentCache !== undefined
          ? storage.segmentCache.openLocal(segment)
          : files.openRead(pathOf(segment)),
    }),
    segmentReaders: new SegmentReaders({
      openFile: (segment, signal) =>
        segment.object !== undefined && storage.segmentCache !== undefined
          ? storage.segmentCache.openRead(segment, signal)
          : files.openRead(pathOf(segment)),
      onDamaged: async (segment) => (await storage.segmentCache?.distrust(segment)) === true,
    }),
    valueCounter: storage.valueCounter,
    cutHead,
    limitsFor: (tenant) => overrides.limitsFor(tenant).query,
    recordKeys: parts.recordKeys,
    settings: settings.query,
    nowMs: systemClock.nowUnixMs,
  });
  const isolated = new ProcessSql(storage.sqlFolders, {
    // Two may run at once, beside the queries that Grafana waits for.
    memoryLimitBytes: Math.ceil(settings.query.memoryLimitBytes / 2),
    threads: Math.max(1, Math.floor(availableCores() / 2)),
    maxTempBytes: SQL_TEMP_BYTES,
  });
  const sql = new SqlQuery(
    { catalog, isolated, segmentPath: pathOf, segmentFiles: storage.segmentCache, cutHead },
    DEFAULT_SQL_SETTINGS,
  );
  const { onDropped, watch } = tailMetrics(metrics);
  const tails = new Tails({ engine, log, onDropped }, DEFAULT_TAIL_SETTINGS);
  parts.onCommitted((segments) => tails.onCommit(segments));
  watch(() => tails.count);
  const apiPrefix = settings.server.httpApiPrefix;
  const { maxStatementBytes } = DEFAULT_SQL_SETTINGS;
  const routeParts = { engine, log, tenantRules };
  const requests = requestMetrics(metrics, log, systemClock.monotonicMs);
  const callParts = { ...routeParts, maxPacketBytes: settings.server.grpcStreamPacketBytes };
  const callLimits = {
    maxRecvMessageBytes: Math.min(
      settings.server.grpcMaxRecvMessageBytes,
      STREAM_REQUEST_BYTES + settings.query.maxQueryBytes,
    ),
    maxSendMessageBytes: settings.server.grpcMaxSendMessageBytes,
  };
  const loadJaeger = async () =>
    (await import("../api/grpc/jaeger-query.ts")).jaegerQuery(callParts);
  const streams = [
    ...connectHandlers(streamingQuerier(callParts), callLimits),
    ...lazyConnectHandlers(JAEGER_METHODS, loadJaeger, callLimits),
  ];
  const api = new Hono();
  api.use(requests.http);
  if (settings.server.streamOverHttpEnabled) api.route("/", connectRoutes(streams));
  const prefix = settings.server.httpPathPrefix || "/";
  api.route(prefix, sqlRoutes({ sql, log, tenantRules, apiPrefix, maxStatementBytes }));
  api.route(prefix, retentionRoute({ report: parts.retentionReport, log, tenantRules, apiPrefix }));
  const redactions = parts.openRedactions(redactedTracesWith(engine));
  const { admins } = parts;
  api.route(prefix, redactionRoutes({ redactions, admins, log, tenantRules, apiPrefix }));
  api.route(prefix, queryRoutes({ ...routeParts, tails, apiPrefix, status: statusOf(parts) }));
  api.notFound(textNotFound);
  const grpc = queryGrpcService(parts.readiness, streams, requests.grpc);
  return { api, grpc, matchTraces: matchTracesWith(engine), stop: () => tails.close() };
}

function statusOf({ config, metrics, readiness, storage }: ApiParts): StatusParts {
  const { settings, overrides } = config;
  const { runtime } = platformInfo();
  return {
    readiness,
    buildInfo: {
      version: EMULATED_TEMPO,
      revision: "",
      branch: "",
      buildUser: "",
      buildDate: "",
      goVersion: runtime,
    },
    versionText: `pintail, version ${VERSION} (${runtime}), speaks Tempo ${EMULATED_TEMPO}`,
    services: () => [
      { name: "receivers", state: readiness.reason() === undefined ? "Running" : "Starting" },
      { name: "ingest", state: "Running" },
      { name: "compactor", state: settings.retention.disabled ? "Disabled" : "Running" },
      { name: "query", state: "Running" },
      ...(storage.bucket === undefined ? [] : [{ name: "bucket", state: storage.bucket.state }]),
    ],
    configYaml: (mode) => renderConfig(config, mode),
    runtimeConfigYaml: () =>
      renderYaml(
        Object.fromEntries(overrides.tenants().map((t) => [t, overrides.entry(t) ?? null])),
      ),
    metricsText: settings.server.registerInstrumentation ? () => metrics.render() : undefined,
  };
}
