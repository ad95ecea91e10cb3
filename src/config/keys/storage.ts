import { ignored, type KeySpec, key, prefixed, warned } from "../key-spec.ts";

const s3: readonly KeySpec[] = prefixed("s3", [
  ...ignored(`bucket= prefix= endpoint= region= access_key= secret_key= session_token=
    insecure=false forcepathstyle=false bucket_lookup_type=0 enable_dual_stack=false part_size=0
    list_blocks_concurrency=3 retry_max_attempts=10 retry_backoff_initial=200ms
    retry_backoff_max=1s tags metadata storage_class= hedge_requests_at=0 hedge_requests_up_to=2
    sse.type= sse.kms_key_id= sse.kms_encryption_context= sse.encryption_key=
    tls_cert_path= tls_key_path= tls_ca_path= tls_server_name= tls_insecure_skip_verify=false
    tls_cipher_suites= tls_min_version=VersionTLS12`),
  ...warned("signature_v2=false native_aws_auth_enabled=false"),
]);

const gcs: readonly KeySpec[] = prefixed(
  "gcs",
  ignored(`bucket_name= prefix= endpoint= insecure=false chunk_buffer_size=10485760
    list_blocks_concurrency=3 max_retries=3 object_cache_control= object_metadata
    hedge_requests_at=0 hedge_requests_up_to=2`),
);

const azure: readonly KeySpec[] = prefixed(
  "azure",
  ignored(`container_name= prefix= storage_account_name= storage_account_key=
    endpoint_suffix=blob.core.windows.net use_federated_token=false use_managed_identity=false
    user_assigned_id= max_buffers=4 buffer_size=3145728 use_v2_sdk=false hedge_requests_at=0
    hedge_requests_up_to=2`),
);

/**
 * The object stores, relative to `storage.trace` or to a client of user-configurable overrides.
 * Only the backend that is named is read, so a block of another one has no effect.
 */
export const objectStoreKeys: readonly KeySpec[] = [...s3, ...gcs, ...azure];

/** `storage`. */
export const storageKeys: readonly KeySpec[] = prefixed("storage.trace", [
  key("backend", "string", "local", "Where segments rest. Only `local` so far."),
  key(
    "local.path",
    "string",
    "",
    "Folder of the segments; unset = `traces` beside the write-ahead log.",
  ),
  key(
    "wal.path",
    "string",
    "",
    "Folder of the write-ahead log; unset = `wal` beside the segments.",
    {
      treatment: "mapped",
    },
  ),
  ...objectStoreKeys,
  ...warned("block.version", "Segments have one format."),
  ...warned(`cache= memcached redis background_cache cache_min_compaction_level=0
    cache_max_block_age=0`),
  key("blocklist_poll", "goDuration", "5m", "Compared with the retention, nothing else.", {
    treatment: "ignored",
  }),
  key("blocklist_poll_concurrency", "int", 50, "", { treatment: "ignored" }),
  ...ignored(`wal.ingestion_time_range_slack=2m wal.v2_encoding wal.search_encoding wal.version
    wal.blocksfilepath wal.completedfilepath
    block.bloom_filter_false_positive=0.01 block.bloom_filter_shard_size_bytes=102400
    block.parquet_row_group_size_bytes=100000000 block.parquet_dedicated_columns
    block.v2_index_downsample_bytes block.v2_index_page_size_bytes block.v2_encoding
    block.search_encoding block.search_page_size_bytes
    block.v2_bloom_filter_false_positive block.v2_bloom_filter_shard_size_bytes
    blocklist_poll_tenant_concurrency=0 blocklist_poll_fallback=true
    blocklist_poll_tenant_index_builders=2 blocklist_poll_stale_tenant_index=0
    blocklist_poll_jitter_ms=0 blocklist_poll_tolerate_consecutive_errors=1
    blocklist_poll_tolerate_tenant_failures=1 empty_tenant_deletion_enabled=false
    empty_tenant_deletion_age=0 search.chunk_size_bytes=1000000 search.prefetch_trace_count=1000
    search.read_buffer_count=32 search.read_buffer_size_bytes=1048576
    search.cache_control.footer=false search.cache_control.column_index=false
    search.cache_control.offset_index=false pool.max_workers=400 pool.queue_depth=20000`),
]);
