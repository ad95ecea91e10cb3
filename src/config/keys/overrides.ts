import { ignored, type KeySpec, key, prefixed, refused, warned } from "../key-spec.ts";
import { objectStoreKeys } from "./storage.ts";

/** What a tenant may have of its own; relative to `overrides.defaults` or to a tenant's entry. */
export const scopedOverrideKeys: readonly KeySpec[] = [
  key(
    "ingestion.rate_limit_bytes",
    "int",
    30000000,
    "Bytes a second of a tenant, then 429 `RATE_LIMITED`.",
  ),
  key("ingestion.burst_size_bytes", "int", 30000000, "Largest single push."),
  key(
    "ingestion.max_attribute_bytes",
    "int",
    0,
    "Like `distributor.max_attribute_bytes`; 0 = that value.",
  ),
  key("ingestion.retry_info_enabled", "bool", true, "Whether a refused push carries a retry hint."),
  key(
    "read.max_bytes_per_tag_values_query",
    "int",
    1000000,
    "Bytes of one tags answer; the rest is cut. 0 = off.",
  ),
  key(
    "read.max_condition_groups_per_tag_query",
    "int",
    100,
    "`||` groups of a tag query's filter; only the defaults' value counts.",
  ),
  key(
    "read.max_search_duration",
    "promDuration",
    "0",
    "Like `query_frontend.search.max_duration`; 0 = that value.",
  ),
  key(
    "read.max_metrics_duration",
    "promDuration",
    "0",
    "Like `query_frontend.metrics.max_duration`; 0 = that value.",
  ),
  key("read.left_pad_trace_ids", "bool", false, "Whether answers pad trace ids to 32 digits."),
  key(
    "compaction.block_retention",
    "promDuration",
    "0",
    "How long the tenant's spans are kept; 0 = the global value.",
  ),
  key(
    "compaction.compaction_disabled",
    "bool",
    false,
    "Neither retention nor merging runs for the tenant.",
  ),
  key(
    "global.max_bytes_per_trace",
    "int",
    5000000,
    "A larger trace is answered with 422 or in part; 0 = off.",
  ),
  ...warned("ingestion.max_traces_per_user=10000"),
  ...refused("forwarders", "Spans would not reach the forwarder."),
  ...ignored(`ingestion.rate_strategy=local ingestion.max_global_traces_per_user=0
    ingestion.tenant_shard_size=0 ingestion.artificial_delay=0
    read.max_blocks_per_tag_values_query=0 read.unsafe_query_hints=false
    read.metrics_spanonly_fetch compaction.compaction_window=0 storage.parquet_dedicated_columns`),
  ...warned("cost_attribution.max_cardinality cost_attribution.dimensions"),
  ...warned(
    `processors max_active_series=0 max_active_entities=0 max_cardinality_per_label=0
    collection_interval=0 disable_collection=false trace_id_label_name=traceID remote_write_headers
    generate_native_histograms=classic native_histogram_bucket_factor=1.1
    native_histogram_max_bucket_number=100 native_histogram_min_reset_duration=15m
    ingestion_time_range_slack=0 span_name_sanitization=`,
    "",
    "metrics_generator",
  ).map(underGenerator),
  ...ignored(`ring_size=0 forwarder.queue_size=100 forwarder.workers=2
    processor.service_graphs.histogram_buckets processor.service_graphs.dimensions
    processor.service_graphs.peer_attributes processor.service_graphs.filter_policies
    processor.service_graphs.enable_client_server_prefix
    processor.service_graphs.enable_messaging_system_latency_histogram
    processor.service_graphs.enable_virtual_node_label processor.service_graphs.span_multiplier_key
    processor.service_graphs.enable_tracestate_span_multiplier
    processor.service_graphs.database_name_attributes
    processor.span_metrics.histogram_buckets processor.span_metrics.dimensions
    processor.span_metrics.intrinsic_dimensions processor.span_metrics.filter_policies
    processor.span_metrics.dimension_mappings processor.span_metrics.enable_target_info
    processor.span_metrics.target_info_excluded_dimensions
    processor.span_metrics.enable_instance_label processor.span_metrics.span_multiplier_key
    processor.span_metrics.enable_tracestate_span_multiplier
    processor.host_info.host_identifiers processor.host_info.metric_name
    processor.local_blocks.max_live_traces processor.local_blocks.max_block_duration
    processor.local_blocks.max_block_bytes processor.local_blocks.flush_check_period
    processor.local_blocks.trace_idle_period processor.local_blocks.complete_block_timeout`).map(
    underGenerator,
  ),
];

/** `overrides`, without the legacy flat keys, which are renamed before. */
export const overridesKeys: readonly KeySpec[] = prefixed("overrides", [
  ...prefixed("defaults", scopedOverrideKeys),
  key(
    "per_tenant_override_config",
    "string",
    "",
    "File of the tenants' own values, read again while running.",
  ),
  key("per_tenant_override_period", "promDuration", "10s", "How often that file is read."),
  ...ignored("enable_legacy_overrides=false"),
  ...prefixed("user_configurable_overrides", [
    ...warned("enabled=false", "`/api/overrides`."),
    ...ignored(`poll_interval=60s client.backend client.local.path client.confirm_versioning=true
      api.check_for_conflicting_runtime_overrides=false`),
    ...prefixed(
      "client",
      objectStoreKeys.map((spec) => ({
        ...spec,
        treatment: "ignored" as const,
        default: undefined,
      })),
    ),
  ]),
]);

function underGenerator(spec: KeySpec): KeySpec {
  return { ...spec, path: `metrics_generator.${spec.path}` };
}
