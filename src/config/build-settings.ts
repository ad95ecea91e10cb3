import type { ServerSettings, TlsSettings } from "../server/settings.ts";
import type { BucketSettings, RetentionClass, RetentionSettings } from "../storage/settings.ts";
import type { LogSettings } from "../telemetry/settings.ts";
import type { ConfigValues } from "./config-values.ts";
import type { GeneratorConfig } from "./generator-settings.ts";
import { defaultLimits, type GlobalLimits } from "./limits.ts";
import { type DataPaths, join } from "./paths.ts";
import type { Receivers } from "./receivers.ts";
import type { Settings } from "./settings.ts";
import { tlsVersion } from "./tls-version.ts";

export type BuildInput = {
  readonly values: ConfigValues;
  /** Relative to `overrides.defaults`. */
  readonly overrideDefaults: ConfigValues;
  readonly receivers: Receivers;
  readonly generator: GeneratorConfig;
  readonly bucket: BucketSettings | undefined;
  readonly retentionClasses: readonly RetentionClass[];
  readonly paths: DataPaths;
  /** Address of both ports when none is given. */
  readonly listenAddress: string;
  readonly maxParallelQueries: number;
  readonly queryMemoryBytes: number;
};

const MINUTE_MS = 60_000;
/** A laptop's disk is small; with a bucket Tempo's own default. */
const DEFAULT_RETENTION_MS = { local: 48 * 3_600_000, bucket: 336 * 3_600_000 };
/** A cut each second makes a span findable soon and keeps the number of small files bounded. */
const CUT_AFTER_MS = 1000;
/** Sorting holds about 2 KB a span; more spans in a segment gain little. */
const L1_SPANS = 250_000;
const L1_WAL_BYTES = 256 * 1024 * 1024;
const L1_AFTER_MS = { min: 1000, default: MINUTE_MS, max: 5 * MINUTE_MS };

/** Every part's settings. Values are valid by their types; `checks.ts` looks at combinations. */
export function buildSettings(input: BuildInput): Settings {
  const { values, paths, receivers } = input;
  const globals = globalLimits(values);
  return {
    target: "all",
    server: serverSettings(values, input.listenAddress),
    log: logSettings(values),
    otlp: receivers.otlp,
    jaeger: receivers.jaeger,
    zipkin: receivers.zipkin,
    kafka: receivers.kafka,
    ingest: {
      walDir: paths.walDir,
      segmentDir: paths.segmentDir,
      cutAfterMs: CUT_AFTER_MS,
      l1Spans: L1_SPANS,
      l1WalBytes: L1_WAL_BYTES,
      l1AfterMs: l1AfterMs(values),
      retryAfterMs: values.durationMs("distributor.retry_after_on_resource_exhausted"),
    },
    retention: retentionSettings(values, input.retentionClasses),
    query: {
      searchTimeoutMs: values.durationMs("querier.search.query_timeout"),
      traceByIdTimeoutMs: values.durationMs("querier.trace_by_id.query_timeout"),
      apiTimeoutMs: values.durationMs("query_frontend.api_timeout"),
      maxConcurrentQueries: Math.max(
        1,
        Math.min(values.number("querier.max_concurrent_queries"), input.maxParallelQueries),
      ),
      maxOutstandingPerTenant: values.number("query_frontend.max_outstanding_per_tenant"),
      maxQueryBytes: values.number("query_frontend.max_query_expression_size_bytes"),
      queryEndCutoffMs: values.durationMs("query_frontend.query_end_cutoff"),
      maxMetricsExemplars: values.number("query_frontend.metrics.max_exemplars"),
      maxMetricsIntervals: values.number("query_frontend.metrics.max_intervals"),
      maxMetricsSeries: values.number("query_frontend.metrics.max_response_series"),
      multiTenantQueriesEnabled: values.bool("query_frontend.multi_tenant_queries_enabled"),
      urlDenyList: values.list("query_frontend.url_deny_list"),
      memoryLimitBytes: input.queryMemoryBytes,
      tempDir: join(paths.dataDir, "tmp"),
    },
    bucket: input.bucket,
    generator: input.generator.settings,
    adminToken: values.text("pintail.admin.token") || undefined,
    dataDir: paths.dataDir,
    limits: defaultLimits(input.overrideDefaults, globals, input.generator.defaults),
    perTenantOverrideFile: values.text("overrides.per_tenant_override_config") || undefined,
    perTenantOverridePeriodMs: values.durationMs("overrides.per_tenant_override_period"),
  };
}

/** The limits that tenants share because no override names them. */
export function globalLimits(values: ConfigValues): GlobalLimits {
  const olderName = "distributor.max_span_attr_byte";
  const name = "distributor.max_attribute_bytes";
  return {
    maxAttributeBytes: values.number(
      !values.isSet(name) && values.isSet(olderName) ? olderName : name,
    ),
    maxSearchDurationMs: values.durationMs("query_frontend.search.max_duration"),
    maxMetricsDurationMs: values.durationMs("query_frontend.metrics.max_duration"),
    defaultSearchLimit: values.number("query_frontend.search.default_result_limit"),
    maxSearchLimit: values.number("query_frontend.search.max_result_limit"),
    defaultSpansPerSpanSet: values.number("query_frontend.search.default_spans_per_span_set"),
    maxSpansPerSpanSet: values.number("query_frontend.search.max_spans_per_span_set"),
  };
}

/** The block that a retention comes from, by precedence, or undefined when none says one. */
export function retentionBlock(values: ConfigValues, field: string): string | undefined {
  return ["backend_worker.compaction", "compactor.compaction", SCHEDULER_COMPACTION].find((block) =>
    values.isSet(`${block}.${field}`),
  );
}

const SCHEDULER_COMPACTION = "backend_scheduler.provider.compaction.compaction";

/** How long spans are kept that no tenant's override and no class says otherwise about; 0 = for ever. */
export function blockRetentionMs(values: ConfigValues): number {
  const from = retentionBlock(values, "block_retention");
  if (from !== undefined) return values.durationMs(`${from}.block_retention`);
  const local = values.text("storage.trace.backend") === "local";
  return local ? DEFAULT_RETENTION_MS.local : DEFAULT_RETENTION_MS.bucket;
}

function retentionSettings(
  values: ConfigValues,
  classes: readonly RetentionClass[],
): RetentionSettings {
  const retentionMs = blockRetentionMs(values);
  const graceBlock = retentionBlock(values, "compacted_block_retention") ?? SCHEDULER_COMPACTION;
  // A query reads the files that the catalog named when it began, so they outlive the longest one.
  const longestQueryMs = Math.max(
    values.durationMs("querier.search.query_timeout"),
    values.durationMs("querier.trace_by_id.query_timeout"),
    values.durationMs("query_frontend.api_timeout"),
  );
  // With a short retention an hourly round would keep spans for several times as long.
  const intervalMs = Math.min(
    Math.max(MINUTE_MS, values.durationMs("backend_scheduler.provider.retention.interval")),
    retentionMs === 0 ? Number.POSITIVE_INFINITY : Math.max(MINUTE_MS, retentionMs / 10),
  );
  return {
    retentionMs,
    deleteGraceMs: Math.max(
      values.durationMs(`${graceBlock}.compacted_block_retention`),
      2 * longestQueryMs,
      MINUTE_MS,
    ),
    intervalMs,
    maxBytesPerTenant: values.number("pintail.retention.max_bytes"),
    maxDiskPercent: values.number("pintail.retention.max_disk_percent"),
    classes,
    disabled: values.bool("compactor.disabled"),
  };
}

function l1AfterMs(values: ConfigValues): number {
  const path = ["live_store.max_block_duration", "ingester.max_block_duration"].find((each) =>
    values.isSet(each),
  );
  if (path === undefined) return L1_AFTER_MS.default;
  return Math.min(L1_AFTER_MS.max, Math.max(L1_AFTER_MS.min, values.durationMs(path)));
}

function serverSettings(values: ConfigValues, listenAddress: string): ServerSettings {
  const ms = (name: string) => values.durationMs(`server.${name}`);
  return {
    httpListenAddress: values.text("server.http_listen_address") || listenAddress,
    httpListenPort: values.number("server.http_listen_port"),
    grpcListenAddress: values.text("server.grpc_listen_address") || listenAddress,
    grpcListenPort: values.number("server.grpc_listen_port"),
    httpPathPrefix: prefix(values.text("server.http_path_prefix")),
    httpApiPrefix: prefix(values.text("http_api_prefix")),
    httpReadTimeoutMs: ms("http_server_read_timeout"),
    httpWriteTimeoutMs: ms("http_server_write_timeout"),
    httpIdleTimeoutMs: ms("http_server_idle_timeout"),
    httpReadHeaderTimeoutMs: ms("http_server_read_header_timeout"),
    httpListenConnLimit: values.number("server.http_listen_conn_limit"),
    httpTls: serverTls(values, "server.http_tls_config"),
    grpcTls: serverTls(values, "server.grpc_tls_config"),
    grpcMaxRecvMessageBytes: values.number("server.grpc_server_max_recv_msg_size"),
    grpcMaxSendMessageBytes: values.number("server.grpc_server_max_send_msg_size"),
    grpcMaxConcurrentStreams: values.number("server.grpc_server_max_concurrent_streams"),
    grpcStreamPacketBytes: values.number("query_frontend.max_grpc_streaming_packet_size"),
    gracefulShutdownTimeoutMs: ms("graceful_shutdown_timeout"),
    shutdownDelayMs: values.durationMs("shutdown_delay"),
    registerInstrumentation: values.bool("server.register_instrumentation"),
    multitenancyEnabled: values.bool("multitenancy_enabled") || values.bool("auth_enabled"),
    streamOverHttpEnabled: values.bool("stream_over_http_enabled"),
  };
}

function serverTls(values: ConfigValues, block: string): TlsSettings | undefined {
  const text = (name: string) => values.text(`${block}.${name}`);
  if (text("cert_file") === "") return undefined;
  return {
    certFile: text("cert_file"),
    keyFile: text("key_file"),
    clientCaFile: text("client_ca_file") || undefined,
    clientAuthType: text("client_auth_type") || undefined,
    minVersion: tlsVersion(values.text("server.tls_min_version")),
    maxVersion: undefined,
  };
}

function logSettings(values: ConfigValues): LogSettings {
  const [level, format] = [values.text("server.log_level"), values.text("server.log_format")];
  return {
    level: level === "debug" || level === "warn" || level === "error" ? level : "info",
    format: format === "json" ? "json" : "logfmt",
  };
}

/** Routes are put together as prefix + path, so the prefix ends without a slash. */
function prefix(text: string): string {
  return text.replace(/\/+$/, "");
}
