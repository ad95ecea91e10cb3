import { ignored, type KeySpec, key, prefixed, warned } from "../key-spec.ts";

const s3: readonly KeySpec[] = prefixed("s3", [
  key("bucket", "string", "", "Name of the bucket."),
  key("prefix", "string", "", "Before the name of each object."),
  key(
    "endpoint",
    "string",
    "",
    "`host[:port]`, without scheme and path; unset = AWS. `storage.googleapis.com` with an HMAC key reaches GCS.",
  ),
  key("region", "string", "", "Unset = from the endpoint, or from AWS's environment and files."),
  key(
    "access_key",
    "string",
    "",
    "Unset = AWS's chain: `AWS_…` of the environment, `MINIO_…` of it, files, web identity, instance role.",
  ),
  key("secret_key", "string", "", "Belongs to `access_key`."),
  key("session_token", "string", "", "Belongs to `access_key`, for keys that expire."),
  key("insecure", "bool", false, "Plain HTTP."),
  key("forcepathstyle", "bool", false, "The bucket in the path instead of the host name."),
  key(
    "bucket_lookup_type",
    "int",
    0,
    "0 = by the endpoint, 1 = bucket in the host name, 2 = in the path.",
    { max: 2 },
  ),
  key("enable_dual_stack", "bool", false, "AWS's endpoints that have IPv6 too."),
  key(
    "part_size",
    "int",
    0,
    "Bytes of one part of an upload: 5242880 at least, 67108864 at most; 0 = 8388608.",
    { treatment: "mapped" },
  ),
  key("retry_max_attempts", "int", 10, "Tries of one request, the first one counted."),
  key("retry_backoff_initial", "goDuration", "200ms", "Wait before the second try; doubles."),
  key("retry_backoff_max", "goDuration", "1s", "Longest wait between tries."),
  key("tags", "map", undefined, "Tags of each object."),
  key("metadata", "map", undefined, "User metadata of each object."),
  key("storage_class", "string", "", "Storage class of each object."),
  key("sse.type", "string", "", "`SSE-S3`, `SSE-KMS` or `SSE-C`: encryption by the store."),
  key("sse.kms_key_id", "string", "", "For `SSE-KMS`."),
  key("sse.kms_encryption_context", "string", "", "For `SSE-KMS`: JSON, an object of texts."),
  key("sse.encryption_key", "string", "", "For `SSE-C`: 32 bytes."),
  key("tls_cert_path", "string", "", "Client certificate, PEM."),
  key("tls_key_path", "string", "", "Its key, PEM."),
  key("tls_ca_path", "string", "", "Certificates that the store's is checked against, PEM."),
  key("tls_server_name", "string", "", "Name that the store's certificate must have."),
  key("tls_insecure_skip_verify", "bool", false, "The store's certificate is not checked."),
  key("tls_cipher_suites", "string", "", "Go's names, joined by commas; TLS 1.3 has its own."),
  key("tls_min_version", "string", "VersionTLS12", "Oldest version of TLS.", {
    oneOf: ["", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"],
  }),
  ...ignored("list_blocks_concurrency=3 hedge_requests_at=0 hedge_requests_up_to=2"),
  ...warned("signature_v2=false native_aws_auth_enabled=false"),
]);

const gcs: readonly KeySpec[] = prefixed("gcs", [
  key(
    "bucket_name",
    "string",
    "",
    "Name of the bucket. Credentials are Google's application defaults.",
  ),
  key("prefix", "string", "", "Before the name of each object."),
  key("endpoint", "string", "", "URL of the JSON API; unset = Google's."),
  key("insecure", "bool", false, "No authentication and no check of certificates: for emulators."),
  key(
    "chunk_buffer_size",
    "int",
    10485760,
    "Bytes of one part of an upload, in steps of 262144; 67108864 at most.",
    { treatment: "mapped" },
  ),
  key("max_retries", "int", undefined, "Tries after the first one; 9 when unset, Tempo's are 3."),
  key("object_cache_control", "string", "", "`Cache-Control` of each object."),
  key("object_metadata", "map", undefined, "User metadata of each object."),
  ...ignored("list_blocks_concurrency=3 hedge_requests_at=0 hedge_requests_up_to=2"),
]);

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
  key("backend", "string", "local", "Where segments rest: `local`, `s3` or `gcs`."),
  key(
    "local.path",
    "string",
    "",
    "Folder of the segments, with a bucket of those that are new or cached; unset = `traces` beside the write-ahead log.",
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
