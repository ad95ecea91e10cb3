import { ignored, type KeySpec, key, prefixed, refused, warned } from "../key-spec.ts";

/** The field set that three blocks share; the first of them that sets a field wins. */
const compaction: readonly KeySpec[] = [
  key(
    "block_retention",
    "goDuration",
    undefined,
    "How long spans are kept; 0 = for ever. First of `backend_worker`, `compactor`, `backend_scheduler`; when none is set 48h, with a bucket 336h.",
  ),
  key(
    "compacted_block_retention",
    "goDuration",
    "1h",
    "How long a replaced segment's file stays; never less than the longest query.",
    { treatment: "mapped" },
  ),
  key("retention_concurrency", "int", 10, "", { treatment: "ignored" }),
  ...ignored(`compaction_window=1h max_block_bytes=107374182400 max_compaction_objects=6000000
    max_time_per_tenant=5m compaction_cycle=30s v2_in_buffer_bytes v2_out_buffer_bytes
    v2_prefetch_traces_count`),
];

/** `compactor` (2.x), `backend_worker` and `backend_scheduler`. */
export const compactionKeys: readonly KeySpec[] = [
  ...prefixed("compactor.compaction", compaction),
  ...prefixed("compactor", [
    key("disabled", "bool", false, "Neither retention nor merging runs."),
    ...ignored("ring override_ring_key"),
  ]),
  ...prefixed("backend_worker.compaction", compaction),
  ...prefixed(
    "backend_worker",
    ignored("backend_scheduler_addr backoff ring override_ring_key finish_on_shutdown_timeout"),
  ),
  ...prefixed("backend_scheduler.provider.compaction.compaction", compaction),
  ...prefixed("backend_scheduler", [
    key(
      "provider.retention.interval",
      "goDuration",
      "1h",
      "How often retention runs; more often when the retention is short.",
      { treatment: "mapped" },
    ),
    ...ignored(`maintenance_interval backend_flush_interval job_timeout local_work_path work
      tenant_measurement_interval provider.redaction provider.compaction.measure_interval
      provider.compaction.min_input_blocks provider.compaction.max_input_blocks
      provider.compaction.min_cycle_interval provider.compaction.max_jobs_per_tenant
      provider.compaction.backoff`),
  ]),
];

/** `ingester` (2.x). */
export const ingesterKeys: readonly KeySpec[] = prefixed("ingester", [
  key(
    "max_block_duration",
    "goDuration",
    undefined,
    "Age at which spans are rewritten into a sorted segment; 60s when unset, at most 5m.",
    { treatment: "mapped" },
  ),
  key("complete_block_timeout", "goDuration", "15m", "", { treatment: "ignored" }),
  ...refused("flush_object_storage=true", "Spans would never reach a segment."),
  ...ignored(`trace_idle_period=5s trace_live_period=30s max_block_bytes=524288000
    flush_check_period=10s concurrent_flushes=4 flush_op_timeout=5m flush_all_on_shutdown=false
    lifecycler.ring.* lifecycler.* override_ring_key
    partition_ring dedicated_columns`),
  ...warned("lifecycler.ring.replication_factor=1", "This process is alone."),
]);

/** `live_store` (2.9 and later). */
export const liveStoreKeys: readonly KeySpec[] = prefixed("live_store", [
  key(
    "max_block_duration",
    "goDuration",
    undefined,
    "Like `ingester.max_block_duration`, and wins over it.",
    { treatment: "mapped" },
  ),
  key("complete_block_timeout", "goDuration", "20m", "", { treatment: "ignored" }),
  ...warned("max_live_traces_bytes=250000000"),
  ...ignored(`max_trace_idle=5s max_trace_live=30s max_block_bytes=52428800 flush_check_period=5s
    flush_op_timeout=5m fail_on_high_lag=true readiness_target_lag=0 readiness_max_wait=30m
    commit_interval=5s complete_block_concurrency=2 query_block_concurrency=10
    block_reclaim_grace=2m shutdown_marker_dir remove_owner_on_shutdown
    metrics.time_overlap_cutoff=0.2 metrics.concurrent_blocks ring partition_ring
    wal block_config override_ring_key consume_from_kafka`),
]);
