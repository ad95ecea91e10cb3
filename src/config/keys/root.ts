import { ignored, type KeySpec, key, prefixed, warned } from "../key-spec.ts";

/** Keys at the root, and the blocks that only a cluster reads. */
export const rootKeys: readonly KeySpec[] = [
  key("target", "string", "all", "Only `all`: one process does everything."),
  key(
    "multitenancy_enabled",
    "bool",
    false,
    "Tenants by the header `X-Scope-OrgID`; off = all is `single-tenant`.",
  ),
  key(
    "auth_enabled",
    "bool",
    false,
    "Older name of `multitenancy_enabled`; either one turns it on.",
    {
      treatment: "mapped",
    },
  ),
  key(
    "stream_over_http_enabled",
    "bool",
    true,
    "gRPC (h2c) on the HTTP port too. Tempo's default is `false`.",
  ),
  key("http_api_prefix", "string", "", "Prefix of `/api/…` only; begins with `/`."),
  key(
    "shutdown_delay",
    "goDuration",
    "0",
    "Time that `/ready` answers 503 before the doors close.",
  ),
  ...ignored(`enable_go_runtime_metrics=false span_profiling=false use_otel_tracer=false
    autocomplete_filtering_enabled=true partition_ring_live_store=false
    memory.automemlimit_enabled=false memory.automemlimit_ratio=0.8
    usage_report ingester_client metrics_generator_client
    live_store_client backend_scheduler_client block_builder`),
];

/** `memberlist`: any key of the library, only members to join mean that others were expected. */
export const memberlistKeys: readonly KeySpec[] = prefixed("memberlist", [
  ...warned("join_members", "This process is alone."),
  ...ignored("bind_port=7946 abort_if_cluster_join_fails=false *"),
]);

/** `ingest`: the log between writers and readers of a cluster, not used with target `all`. */
export const ingestKeys: readonly KeySpec[] = prefixed("ingest", [
  ...warned("kafka.topic=", "Not used with target `all`."),
  ...ignored("enabled=false kafka.*"),
]);

/** `cache`: Pintail keeps its own caches in the process. */
export const cacheKeys: readonly KeySpec[] = prefixed("cache", [
  ...warned("caches", "", "cache"),
  ...ignored("background.writeback_goroutines=10 background.writeback_buffer=10000"),
]);
