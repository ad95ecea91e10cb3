import { ignored, type KeySpec, key, prefixed, refused, warned } from "../key-spec.ts";
import { processorKeys } from "./metrics-generator.ts";
import { objectStoreKeys } from "./storage.ts";

/** What a tenant may have of `metrics_generator`. */
const generatorKeys: readonly KeySpec[] = [
  key(
    "processors",
    "any",
    undefined,
    "What is derived from spans: `service-graphs`, `span-metrics`, `host-info`; of the span metrics alone `span-metrics-count`, `span-metrics-latency`, `span-metrics-size`.",
  ),
  key(
    "max_active_series",
    "int",
    0,
    "Series of the tenant; what comes after goes into one labelled `metric_overflow`. 0 = no limit.",
  ),
  key(
    "collection_interval",
    "goDuration",
    "0",
    "Like `metrics_generator.registry.collection_interval`, 15s to 5m; 0 = that value.",
  ),
  key("disable_collection", "bool", false, "Series are kept, and nothing is sent."),
  key("trace_id_label_name", "string", "traceID", "Label of exemplars with the trace id."),
  key("remote_write_headers", "map", undefined, "Headers over those of `remote_write`."),
  key(
    "ingestion_time_range_slack",
    "goDuration",
    "0",
    "Like `metrics_generator.metrics_ingestion_time_range_slack`, 12h at most; 0 = that value.",
  ),
  ...processorKeys.map((spec) => ({
    ...spec,
    default: undefined,
    doc: "Instead of the value in `metrics_generator`; unset = that one.",
  })),
  key("generate_native_histograms", "string", "classic", "All histograms are classic.", {
    treatment: "warned",
    oneOf: ["", "classic", "native", "both"],
  }),
  key("native_histogram_bucket_factor", "float", 1.1, "", { treatment: "warned" }),
  key("span_name_sanitization", "string", "", "", {
    treatment: "warned",
    oneOf: ["", "dry_run", "enabled"],
  }),
  ...warned(`max_active_entities=0 max_cardinality_per_label=0
    native_histogram_max_bucket_number=100 native_histogram_min_reset_duration=15m`),
  ...ignored(`ring_size=0 forwarder.queue_size=100 forwarder.workers=2
    processor.service_graphs.database_name_attributes
    processor.local_blocks.max_live_traces processor.local_blocks.max_block_duration
    processor.local_blocks.max_block_bytes processor.local_blocks.flush_check_period
    processor.local_blocks.trace_idle_period processor.local_blocks.complete_block_timeout`),
];

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
  ...prefixed("metrics_generator", generatorKeys),
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
