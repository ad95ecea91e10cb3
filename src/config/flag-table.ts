export type Flag = {
  readonly type: "bool" | "value";
  /** The key that the flag sets, over the file's value. */
  readonly path: string | undefined;
  readonly treatment: "honoured" | "ignored" | "warned";
  readonly doc: string;
};

const flags = new Map<string, Flag>();

function flag(name: string, type: Flag["type"], path: string | undefined, doc: string): void {
  flags.set(name, { type, path, treatment: "honoured", doc });
}

function noEffect(type: Flag["type"], names: string, treatment: "ignored" | "warned"): void {
  const doc = treatment === "ignored" ? "Accepted without effect." : "Not offered.";
  for (const name of names.trim().split(/\s+/))
    flags.set(name, { type, path: undefined, treatment, doc });
}

flag("config.file", "value", undefined, "The configuration file, in the form of tempo.yaml.");
flag(
  "config.expand-env",
  "bool",
  undefined,
  "Expand environment variables, in their form with braces, in the configuration files.",
);
flag("config.verify", "bool", undefined, "Check the configuration, print its warnings, and exit.");
flag("version", "bool", undefined, "Print the version and exit.");
flag("health", "bool", undefined, "Ask a running server whether it is ready, and exit.");
flag("health.url", "value", undefined, "What -health asks.");
flag("target", "value", "target", "Only `all`.");
flag(
  "multitenancy.enabled",
  "bool",
  "multitenancy_enabled",
  "Tenants by the header X-Scope-OrgID.",
);
flag("auth.enabled", "bool", "auth_enabled", "Older name of -multitenancy.enabled.");
flag("http-api-prefix", "value", "http_api_prefix", "Prefix of /api/ routes.");
flag(
  "shutdown-delay",
  "value",
  "shutdown_delay",
  "Time that /ready answers 503 before the doors close.",
);
flag("server.http-listen-port", "value", "server.http_listen_port", "HTTP port (3200).");
flag("server.grpc-listen-port", "value", "server.grpc_listen_port", "gRPC port (9095).");
flag("log.level", "value", "server.log_level", "debug, info, warn or error.");
flag("log.format", "value", "server.log_format", "logfmt or json.");
flag(
  "storage.trace.backend",
  "value",
  "storage.trace.backend",
  "Where segments rest: local, s3 or gcs.",
);
flag("storage.trace.local.path", "value", "storage.trace.local.path", "Folder of the segments.");
flag("storage.trace.wal.path", "value", "storage.trace.wal.path", "Folder of the write-ahead log.");

for (const name of [
  "bucket",
  "prefix",
  "endpoint",
  "access_key",
  "secret_key",
  "session_token",
  "tls_min_version",
  "list_blocks_concurrency",
]) {
  flag(`storage.trace.s3.${name}`, "value", `storage.trace.s3.${name}`, "");
}
flag("storage.trace.s3.sse.type", "value", "storage.trace.s3.sse.type", "");
flag("storage.trace.s3.sse.kms-key-id", "value", "storage.trace.s3.sse.kms_key_id", "");
flag(
  "storage.trace.s3.sse.kms-encryption-context",
  "value",
  "storage.trace.s3.sse.kms_encryption_context",
  "",
);
flag("storage.trace.s3.sse.encryption-key", "value", "storage.trace.s3.sse.encryption_key", "");
flag("storage.trace.gcs.bucket", "value", "storage.trace.gcs.bucket_name", "");
for (const name of ["prefix", "list_blocks_concurrency", "max_retries"]) {
  flag(`storage.trace.gcs.${name}`, "value", `storage.trace.gcs.${name}`, "");
}
for (const name of [
  "storage_account_name",
  "storage_account_key",
  "container_name",
  "prefix",
  "max_buffers",
]) {
  flag(`storage.trace.azure.${name}`, "value", `storage.trace.azure.${name}`, "");
}
flag("storage.trace.azure.endpoint", "value", "storage.trace.azure.endpoint_suffix", "");

flag(
  "compactor.compaction.block-retention",
  "value",
  "compactor.compaction.block_retention",
  "How long spans are kept.",
);
flag("compactor.disabled", "bool", "compactor.disabled", "Neither retention nor merging runs.");
flag(
  "backend-worker.compaction.block-retention",
  "value",
  "backend_worker.compaction.block_retention",
  "How long spans are kept; wins over -compactor.compaction.block-retention.",
);
flag(
  "distributor.ingestion-rate-limit-bytes",
  "value",
  "overrides.defaults.ingestion.rate_limit_bytes",
  "Bytes a second of a tenant.",
);
flag(
  "distributor.ingestion-burst-size-bytes",
  "value",
  "overrides.defaults.ingestion.burst_size_bytes",
  "Largest single push.",
);
flag(
  "ingester.max-traces-per-user",
  "value",
  "overrides.defaults.ingestion.max_traces_per_user",
  "",
);
flag(
  "ingester.max-bytes-per-trace",
  "value",
  "overrides.defaults.global.max_bytes_per_trace",
  "Largest trace that is answered in full.",
);
flag(
  "querier.max-bytes-per-tag-values-query",
  "value",
  "overrides.defaults.read.max_bytes_per_tag_values_query",
  "Bytes of one tags answer.",
);
flag(
  "querier.max-condition-groups-per-tag-query",
  "value",
  "overrides.defaults.read.max_condition_groups_per_tag_query",
  "",
);
flag(
  "config.per-user-override-config",
  "value",
  "overrides.per_tenant_override_config",
  "File of the tenants' own values.",
);
flag(
  "config.per-user-override-period",
  "value",
  "overrides.per_tenant_override_period",
  "How often that file is read.",
);
flag(
  "config.enable-legacy-overrides",
  "bool",
  "overrides.enable_legacy_overrides",
  "Legacy overrides are always accepted.",
);
for (const kind of ["received", "discarded"]) {
  const block = `distributor.log_${kind}_spans`;
  flag(`distributor.log-${kind}-spans.enabled`, "bool", `${block}.enabled`, "");
  flag(
    `distributor.log-${kind}-spans.include-attributes`,
    "bool",
    `${block}.include_all_attributes`,
    "",
  );
  flag(
    `distributor.log-${kind}-spans.filter-by-status-error`,
    "bool",
    `${block}.filter_by_status_error`,
    "",
  );
}
flag("query-frontend.mcp-server.enabled", "bool", "query_frontend.mcp_server.enabled", "");

noEffect(
  "value",
  `storage.trace.blocklist_poll storage.trace.pool.max-workers storage.trace.pool.queue-depth
  storage.trace.block.v2-bloom-filter-false-positive
  storage.trace.block.v2-bloom-filter-shard-size-bytes
  compactor.compaction.max-objects-per-block compactor.compaction.max-block-bytes
  compactor.compaction.compaction-window distributor.rate-limit-strategy
  ingester.max-global-traces-per-user querier.max-blocks-per-tag-values-query
  querier.frontend-address mem-ballast-size-mbs mutex-profile-fraction block-profile-threshold`,
  "ignored",
);
noEffect("bool", "reporting.enabled enable-go-runtime-metrics span-profiling", "ignored");
noEffect(
  "value",
  `metrics-generator.native-histogram-bucket-factor
  metrics-generator.native-histogram-max-bucket-number
  metrics-generator.native-histogram-min-reset-duration`,
  "warned",
);

/** Every flag by name, in the order in which the usage text shows them. */
export const FLAGS: ReadonlyMap<string, Flag> = flags;

/** Flags of a cluster's parts; their names differ between versions, so the beginning decides. */
export const IGNORED_FLAG_FAMILIES: readonly string[] = [
  "memberlist.",
  "distributor.ring.",
  "ingest.",
  "block-builder.",
  "live-store.",
  "livestore.client.",
  "backend-scheduler.",
  "backend-worker.",
  "worker.ring.",
];
