import { ignored, type KeySpec, prefixed, warned } from "../key-spec.ts";

/** `metrics_generator`: known so that a typing error is found; nothing is derived from spans yet. */
export const metricsGeneratorKeys: readonly KeySpec[] = prefixed("metrics_generator", [
  ...warned("storage.path= storage.remote_write", "", "metrics_generator"),
  ...ignored(`storage.remote_write_flush_deadline=1m storage.remote_write_add_org_id_header=true
    storage.wal.wal_segment_size storage.wal.wal_compression storage.wal.stripe_size
    storage.wal.truncate_frequency storage.wal.min_wal_time storage.wal.max_wal_time
    storage.wal.no_lockfile registry.collection_interval=15s registry.stale_duration=15m
    registry.external_labels registry.inject_tenant_id_as= registry.max_label_name_length=1024
    registry.max_label_value_length=2048 metrics_ingestion_time_range_slack=30s
    limiter_type=series processor.service_graphs.wait=10s processor.service_graphs.max_items=10000
    processor.service_graphs.workers=10 processor.service_graphs.histogram_buckets
    processor.service_graphs.dimensions processor.service_graphs.peer_attributes
    processor.service_graphs.enable_client_server_prefix=false
    processor.service_graphs.database_name_attributes
    processor.service_graphs.enable_messaging_system_latency_histogram=false
    processor.service_graphs.enable_virtual_node_label=false
    processor.service_graphs.span_multiplier_key=
    processor.service_graphs.enable_tracestate_span_multiplier=false
    processor.service_graphs.filter_policies processor.span_metrics.histogram_buckets
    processor.span_metrics.intrinsic_dimensions processor.span_metrics.dimensions
    processor.span_metrics.dimension_mappings processor.span_metrics.enable_target_info=false
    processor.span_metrics.target_info_excluded_dimensions
    processor.span_metrics.enable_instance_label=true
    processor.span_metrics.span_multiplier_key=
    processor.span_metrics.enable_tracestate_span_multiplier=false
    processor.span_metrics.filter_policies processor.span_metrics.subprocessors
    processor.host_info.host_identifiers processor.host_info.metric_name=traces_host_info
    processor.local_blocks traces_storage traces_query_storage query_timeout disable_grpc
    disable_local_blocks ring ring_mode override_ring_key codec ingest_concurrency instance_id
    assigned_partitions kafka leave_consumer_group_on_shutdown`),
]);
