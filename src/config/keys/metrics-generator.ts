import { ignored, type KeySpec, key, prefixed } from "../key-spec.ts";

export const SERVICE_GRAPH_BUCKETS: readonly number[] = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8];
export const SPAN_METRICS_BUCKETS: readonly number[] = [
  0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384,
];

/** Of service graphs and span metrics alike. */
const bothProcessors: readonly KeySpec[] = [
  key(
    "filter_policies",
    "any",
    undefined,
    "List of `{include, include_any, exclude}`, each `{match_type: strict|regex, attributes: [{key, value}]}`: which spans count.",
  ),
  key(
    "span_multiplier_key",
    "string",
    "",
    "Attribute of doubles, the share of spans that were sampled: a span counts as its reciprocal.",
  ),
  key(
    "enable_tracestate_span_multiplier",
    "bool",
    false,
    "The sampling threshold of the trace state says for how many spans one stands.",
  ),
];

const serviceGraphs: readonly KeySpec[] = [
  key(
    "histogram_buckets",
    "floats",
    SERVICE_GRAPH_BUCKETS,
    "Upper bounds of durations in seconds, rising.",
  ),
  key(
    "dimensions",
    "list",
    [],
    "Attributes that become labels, of the resource before the span's.",
  ),
  key(
    "peer_attributes",
    "list",
    ["peer.service", "db.name", "db.system"],
    "Attributes that name a service that sends no spans; the first that is there.",
  ),
  key(
    "enable_client_server_prefix",
    "bool",
    false,
    "A dimension is two labels, `client_…` and `server_…`.",
  ),
  key(
    "enable_messaging_system_latency_histogram",
    "bool",
    false,
    "Time between a producer's end and its consumer's start.",
  ),
  key(
    "enable_virtual_node_label",
    "bool",
    false,
    "A label says which side of an edge sends no spans.",
  ),
  ...bothProcessors,
];

const spanMetrics: readonly KeySpec[] = [
  key(
    "histogram_buckets",
    "floats",
    SPAN_METRICS_BUCKETS,
    "Upper bounds of durations in seconds, rising.",
  ),
  key("intrinsic_dimensions.service", "bool", true, "Label `service`."),
  key("intrinsic_dimensions.span_name", "bool", true, "Label `span_name`."),
  key("intrinsic_dimensions.span_kind", "bool", true, "Label `span_kind`."),
  key("intrinsic_dimensions.status_code", "bool", true, "Label `status_code`."),
  key("intrinsic_dimensions.status_message", "bool", false, "Label `status_message`."),
  key(
    "dimensions",
    "list",
    [],
    "Attributes that become labels, of the resource before the span's.",
  ),
  key(
    "dimension_mappings",
    "any",
    undefined,
    "List of `{name, source_labels, join}`: a label of the values of several attributes.",
  ),
  key(
    "enable_target_info",
    "bool",
    false,
    "`traces_target_info` with the resource's attributes, and the labels `job` and `instance`.",
  ),
  key("target_info_excluded_dimensions", "list", [], "Attributes that it leaves out."),
  key("enable_instance_label", "bool", true, "With target info: whether there is `instance`."),
  ...bothProcessors,
];

const hostInfo: readonly KeySpec[] = [
  key(
    "host_identifiers",
    "list",
    ["k8s.node.name", "host.id"],
    "Attributes of the resource that name its host; the first that is there.",
  ),
  key("metric_name", "string", "traces_host_info", "Name of the metric."),
];

/** What a tenant may have of its own; relative to `metrics_generator`. */
export const processorKeys: readonly KeySpec[] = [
  ...prefixed("processor.service_graphs", serviceGraphs),
  ...prefixed("processor.span_metrics", spanMetrics),
  ...prefixed("processor.host_info", hostInfo),
];

/** `metrics_generator`; `storage.remote_write` has its own table. */
export const metricsGeneratorKeys: readonly KeySpec[] = prefixed("metrics_generator", [
  key(
    "storage.path",
    "string",
    "",
    "Switches the generator on; a tenant also needs `processors`. Nothing is written there.",
  ),
  key(
    "storage.remote_write",
    "any",
    undefined,
    "List of the endpoints that series are sent to, by Prometheus' remote write 1.0.",
  ),
  key(
    "storage.remote_write_flush_deadline",
    "goDuration",
    "1m",
    "How long the last samples may take when Pintail stops.",
  ),
  key(
    "storage.remote_write_add_org_id_header",
    "bool",
    true,
    "Whether `X-Scope-OrgID` names the tenant; never with one tenant only.",
  ),
  key("registry.collection_interval", "goDuration", "15s", "How often series are sent."),
  key(
    "registry.stale_duration",
    "goDuration",
    "15m",
    "Series that were not updated for so long are forgotten.",
  ),
  key("registry.external_labels", "map", undefined, "Labels of all series."),
  key("registry.inject_tenant_id_as", "string", "", "Name of a label with the tenant."),
  key("registry.max_label_name_length", "int", 1024, "Longer names of labels are cut; bytes."),
  key("registry.max_label_value_length", "int", 2048, "Longer values of labels are cut; bytes."),
  key(
    "metrics_ingestion_time_range_slack",
    "goDuration",
    "30s",
    "Spans that end further from now than this, before or after, are left out.",
  ),
  key("processor.service_graphs.wait", "goDuration", "10s", "How long a span waits for its match."),
  key(
    "processor.service_graphs.max_items",
    "int",
    10000,
    "Edges of a tenant that wait; further spans are left out.",
  ),
  key(
    "processor.service_graphs.database_name_attributes",
    "list",
    ["db.namespace", "db.name", "db.system"],
    "Attributes that make a client's span the call of a database.",
  ),
  ...processorKeys,
  key("limiter_type", "string", "series", "Entities are not counted.", {
    treatment: "warned",
    oneOf: ["", "series", "entity"],
  }),
  ...ignored(`storage.wal.wal_segment_size storage.wal.wal_compression storage.wal.stripe_size
    storage.wal.truncate_frequency storage.wal.min_wal_time storage.wal.max_wal_time
    storage.wal.no_lockfile processor.service_graphs.workers=10
    processor.span_metrics.subprocessors
    processor.local_blocks traces_storage traces_query_storage query_timeout disable_grpc
    disable_local_blocks ring ring_mode override_ring_key codec ingest_concurrency instance_id
    assigned_partitions kafka leave_consumer_group_on_shutdown`),
]);
