import { ignored, type KeySpec, key, prefixed, refused, warned } from "../key-spec.ts";

/** `query_frontend`. */
export const queryFrontendKeys: readonly KeySpec[] = prefixed("query_frontend", [
  key("search.default_result_limit", "int", 20, "Traces of a search that names no limit."),
  key(
    "search.max_result_limit",
    "int",
    262144,
    "Largest limit a search may name, else 400; 0 = off.",
  ),
  key(
    "search.max_duration",
    "goDuration",
    "168h",
    "Longest time range of a search, else 400; 0 = off.",
  ),
  key("search.default_spans_per_span_set", "int", 3, "Spans shown of each match; 0 = all."),
  key(
    "search.max_spans_per_span_set",
    "int",
    100,
    "Most of them a search may ask for, else 400; 0 = unlimited.",
  ),
  key(
    "multi_tenant_queries_enabled",
    "bool",
    true,
    "Whether `a|b` in the tenant header queries both.",
  ),
  key("api_timeout", "goDuration", "0", "Time of a whole request, then 503; 0 = off."),
  key("url_deny_list", "list", [], "Regular expressions of URLs that are refused."),
  key("max_query_expression_size_bytes", "int", 131072, "Longest TraceQL query, else 400."),
  key(
    "query_end_cutoff",
    "goDuration",
    "0",
    "A search ends at least this long ago. Tempo's default is 30s; here spans can be found at once.",
  ),
  key("max_outstanding_per_tenant", "int", 2000, "Waiting queries of a tenant, then 429."),
  key(
    "metrics.max_duration",
    "goDuration",
    "24h",
    "Longest time range of a TraceQL metrics query, else 400; 0 = off.",
  ),
  key("metrics.max_exemplars", "int", 100, "Most exemplars of a metrics query; 0 = none."),
  key("metrics.max_intervals", "int", 10000, "Most steps of a metrics query, else 400; 0 = off."),
  key(
    "metrics.max_response_series",
    "int",
    0,
    "Most series of a metrics query's answer, the rest is cut; 0 = off.",
  ),
  key(
    "max_grpc_streaming_packet_size",
    "int",
    2097152,
    "Bytes of one message of a streamed answer; larger results come in several. 0 = off.",
  ),
  ...warned("mcp_server.enabled=false"),
  ...refused("trace_by_id.external_enabled=false", "Answers would lack the other system's spans."),
  key("search.query_backend_after", "goDuration", "15m", "", { treatment: "ignored" }),
  ...ignored(`search.timeout search.concurrent_jobs=1000 search.target_bytes_per_job=104857600
    search.query_ingesters_until=30m search.ingester_shards=3 search.most_recent_shards=200
    search.duration_slo=0 search.throughput_bytes_slo=0 search.metadata_slo.duration_slo=0
    search.metadata_slo.throughput_bytes_slo=0
    metrics.concurrent_jobs=1000 metrics.target_bytes_per_job metrics.interval=5m
    metrics.query_backend_after=15m metrics.streaming_shards=200 metrics.duration_slo=0
    metrics.throughput_bytes_slo=0 trace_by_id.query_shards=50 trace_by_id.concurrent_shards=0
    trace_by_id.hedge_requests_at trace_by_id.hedge_requests_up_to trace_by_id.duration_slo=0
    trace_by_id.throughput_bytes_slo=0 log_query_request_headers= allowed_headers max_retries=2
    response_consumers=10 max_batch_size=7 weights.request_with_weights
    weights.retry_with_weights weights.max_trace_ql_conditions weights.max_traceql_conditions
    weights.max_regex_conditions skip_ast_transformations rf1_after querier_forget_delay`),
]);

/** `querier`. */
export const querierKeys: readonly KeySpec[] = prefixed("querier", [
  key("search.query_timeout", "goDuration", "30s", "Time of one search, metrics or tags query.", {
    treatment: "mapped",
  }),
  key("trace_by_id.query_timeout", "goDuration", "10s", "Time of one trace lookup.", {
    treatment: "mapped",
  }),
  key(
    "max_concurrent_queries",
    "int",
    4,
    "Queries that run at a time; bounded by the thread pool. Tempo's default is 20.",
    { treatment: "mapped" },
  ),
  ...refused("trace_by_id.external.endpoint=", "Answers would lack the other system's spans."),
  ...warned(`search.prefer_self search.external_backend= search.external_endpoints
    search.external_hedge_requests_at search.external_hedge_requests_up_to
    search.google_cloud_run`),
  ...ignored(`trace_by_id.external.timeout=10s metrics.concurrent_blocks=2
    metrics.time_overlap_cutoff=0.2 frontend_worker extra_query_delay=0
    shuffle_sharding_ingesters_enabled shuffle_sharding_ingesters_lookback_period
    query_relevant_ingesters secondary_ingester_ring partition_ring query_live_store`),
]);
