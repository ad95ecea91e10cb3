import type { Cutter } from "../ingest/cutter.ts";
import type { IngestMetrics } from "../ingest/ingest-metrics.ts";
import type { QueryCut } from "../ingest/query-cut.ts";
import type { Catalog } from "../storage/catalog/catalog.ts";
import type { CompactionMetrics } from "../storage/compaction/compactor.ts";
import { keepMsOf, type TenantPolicy } from "../storage/retention/policy.ts";
import type { RetentionMetrics } from "../storage/retention/retention.ts";
import type { WalCounts } from "../storage/wal/wal.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";

const SCOPES = ["resource", "scope", "span", "event", "link"] as const;

/** The write path under Tempo's names, so that its dashboards and alerts go on. */
export function ingestMetrics(registry: MetricRegistry): IngestMetrics {
  const labels = ["tenant"] as const;
  const spans = registry.counter({
    name: "tempo_distributor_spans_received_total",
    help: "Spans received per tenant.",
    labels,
  });
  const bytes = registry.counter({
    name: "tempo_distributor_bytes_received_total",
    help: "Bytes received per tenant, as OTLP protobuf, after the rate limit.",
    labels,
  });
  const ingress = registry.counter({
    name: "tempo_distributor_ingress_bytes_total",
    help: "Bytes received per tenant, as OTLP protobuf, before limits.",
    labels,
  });
  const discarded = registry.counter({
    name: "tempo_discarded_spans_total",
    help: "Spans of refused requests, by reason; those after a malformed byte are not counted.",
    labels: ["reason", "tenant"],
  });
  const truncatedTotal = registry.counter({
    name: "tempo_distributor_attributes_truncated_total",
    help: "Attribute keys and values cut to max_attribute_bytes.",
    labels: ["tenant", "scope"],
  });
  const duration = registry.histogram({
    name: "tempo_distributor_push_duration_seconds",
    help: "Time from receiving a request to its answer.",
  });
  return {
    pushed: (seconds) => duration.observe({}, seconds),
    accepted(tenant, spanCount, protobufBytes, truncated) {
      spans.inc({ tenant }, spanCount);
      bytes.inc({ tenant }, protobufBytes);
      ingress.inc({ tenant }, protobufBytes);
      if (truncated === undefined) return;
      for (const scope of SCOPES) truncatedTotal.inc({ tenant, scope }, truncated[scope]);
    },
    refused(tenant, reason, spanCount, protobufBytes) {
      ingress.inc({ tenant }, protobufBytes);
      discarded.inc({ reason, tenant }, spanCount);
    },
  };
}

/** `watch` is given what counts the open tails. */
export function tailMetrics(registry: MetricRegistry): {
  readonly onDropped: (spans: number) => void;
  readonly watch: (countOpen: () => number) => void;
} {
  const dropped = registry.counter({
    name: "pintail_tail_dropped_spans_total",
    help: "Spans that a live tail's client did not take in time.",
  });
  dropped.inc({}, 0);
  const open = registry.gauge({ name: "pintail_tails", help: "Open live tails." });
  return {
    onDropped: (spans) => dropped.inc({}, spans),
    watch: (countOpen) => registry.onCollect(() => open.set({}, countOpen())),
  };
}

export function compactionMetrics(registry: MetricRegistry): CompactionMetrics {
  const labels = ["level"] as const;
  const blocks = registry.counter({
    name: "tempodb_compaction_blocks_total",
    help: "Segments that compaction read.",
    labels,
  });
  const bytes = registry.counter({
    name: "tempodb_compaction_bytes_written_total",
    help: "Bytes that compaction wrote.",
    labels,
  });
  const objects = registry.counter({
    name: "tempodb_compaction_objects_written_total",
    help: "Spans that compaction wrote.",
    labels,
  });
  const errors = registry.counter({
    name: "tempodb_compaction_errors_total",
    help: "Compaction jobs that failed.",
  });
  errors.inc({}, 0);
  const damaged = registry.counter({
    name: "pintail_compaction_damaged_segments_total",
    help: "Segments that turned out to be damaged, and are not merged any more.",
  });
  damaged.inc({}, 0);
  const bytesReadTotal = registry.counter({
    name: "pintail_compaction_bytes_read_total",
    help: "Bytes that compaction read: of segments, and for level 1 of the write-ahead log.",
    labels,
  });
  const cpu = registry.counter({
    name: "pintail_compaction_cpu_seconds_total",
    help: "CPU time of the compaction thread, without its database's reads.",
    labels,
  });
  const amplification = registry.gauge({
    name: "pintail_compaction_write_amplification",
    help: "Bytes that compaction wrote since the start, for each byte of level 1.",
  });
  let [l1Bytes, allBytes] = [0, 0];
  return {
    compacted(job) {
      const level = { level: String(job.level) };
      blocks.inc(level, job.inputs);
      bytes.inc(level, job.bytesWritten);
      objects.inc(level, job.spans);
      bytesReadTotal.inc(level, job.bytesRead);
      cpu.inc(level, job.cpuSeconds);
      allBytes += job.bytesWritten;
      if (job.level === 1) l1Bytes += job.bytesWritten;
      if (l1Bytes > 0) amplification.set({}, allBytes / l1Bytes);
    },
    failed: () => errors.inc({}),
    setAside: () => damaged.inc({}),
  };
}

export function retentionMetrics(registry: MetricRegistry): RetentionMetrics {
  const counter = (name: string, help: string) => {
    const metric = registry.counter({ name, help });
    metric.inc({}, 0);
    return metric;
  };
  const marked = counter("tempodb_retention_marked_for_deletion_total", "Segments that expired.");
  const deleted = counter("tempodb_retention_deleted_total", "Segment files deleted.");
  const errors = counter("tempodb_retention_errors_total", "Retention runs that failed.");
  return {
    dropped: (segments) => marked.inc({}, segments),
    deleted: (files) => deleted.inc({}, files),
    failed: () => errors.inc({}),
  };
}

/** The oldest span of each tenant and class against what its policy says. */
export function registerRetentionGauges(
  registry: MetricRegistry,
  catalog: Catalog,
  policyOf: (tenant: string) => TenantPolicy,
  nowMs: () => number,
): void {
  const labels = ["tenant", "class"] as const;
  const age = registry.gauge({
    name: "pintail_retention_oldest_span_age_seconds",
    help: "Since the latest span of the segment that expires first ended; a segment goes as a whole.",
    labels,
  });
  const policy = registry.gauge({
    name: "pintail_retention_policy_seconds",
    help: "How long spans are kept, 0 for ever.",
    labels,
  });
  registry.onCollect(() => {
    age.reset();
    policy.reset();
    for (const tenant of catalog.tenants()) {
      const of = policyOf(tenant);
      const oldest = new Map<string, bigint>();
      for (const { retentionClass = "", maxEnd } of catalog.segments(tenant)) {
        const before = oldest.get(retentionClass);
        if (before === undefined || maxEnd < before) oldest.set(retentionClass, maxEnd);
      }
      for (const [name, end] of oldest) {
        const tags = { tenant, class: name };
        age.set(tags, Math.max(0, nowMs() - Number(end / 1_000_000n)) / 1000);
        policy.set(tags, of.frozen ? 0 : keepMsOf(of, name) / 1000);
      }
    }
  });
}

export type StorageState = {
  readonly catalog: Catalog;
  readonly wal: { counts(): WalCounts };
  readonly cutter: Pick<Cutter, "pendingBytes" | "failures">;
  readonly queryCut: Pick<QueryCut, "incomplete">;
};

/** Gauges of what is stored, read when somebody asks. */
export function registerStorageMetrics(registry: MetricRegistry, state: StorageState): void {
  const blocks = registry.gauge({
    name: "tempodb_blocklist_length",
    help: "Segments per tenant.",
    labels: ["tenant"],
  });
  const bytes = registry.gauge({
    name: "tempodb_backend_bytes_total",
    help: "Bytes of segments per tenant.",
    labels: ["tenant", "status"],
  });
  const spans = registry.gauge({
    name: "tempodb_backend_objects_total",
    help: "Spans in segments per tenant.",
    labels: ["tenant", "status"],
  });
  const levels = registry.gauge({
    name: "pintail_segments",
    help: "Segments per level.",
    labels: ["level"],
  });
  const oldest = registry.gauge({
    name: "pintail_oldest_trace_start_seconds",
    help: "Start of the oldest trace in a segment, since unix epoch.",
    labels: ["tenant"],
  });
  const pending = registry.gauge({
    name: "pintail_wal_pending_bytes",
    help: "Bytes of the write-ahead log that are in no segment yet.",
  });
  const walBytes = registry.gauge({
    name: "pintail_wal_bytes",
    help: "Size of the write-ahead log's files.",
  });
  const walCounters = {
    records: countedElsewhere(registry, "pintail_wal_records_total", "Records written."),
    groups: countedElsewhere(registry, "pintail_wal_syncs_total", "Group commits, each one fsync."),
    failed: countedElsewhere(
      registry,
      "pintail_wal_sync_failures_total",
      "Group commits that failed.",
    ),
    quarantined: countedElsewhere(
      registry,
      "pintail_wal_quarantined_total",
      "Damaged or undecodable pieces of the write-ahead log kept aside.",
    ),
  };
  const failedCuts = countedElsewhere(
    registry,
    "pintail_head_cut_failures_total",
    "Tries to store acknowledged spans in segments that failed (disk full).",
  );
  const incompleteQueries = countedElsewhere(
    registry,
    "pintail_queries_without_head_total",
    "Queries answered without acknowledged spans that could not be stored in segments.",
  );
  registry.onCollect(() => {
    blocks.reset();
    bytes.reset();
    spans.reset();
    levels.reset();
    oldest.reset();
    for (const tenant of state.catalog.tenants()) {
      const segments = state.catalog.segments(tenant);
      if (segments.length === 0) continue;
      blocks.set({ tenant }, segments.length);
      const counts = new Map<number, number>();
      let byteCount = 0;
      let spanCount = 0;
      let oldestStart = segments[0]!.minTraceStart;
      for (const segment of segments) {
        byteCount += segment.byteSize;
        spanCount += segment.rowCount;
        if (segment.minTraceStart < oldestStart) oldestStart = segment.minTraceStart;
        counts.set(segment.level, (counts.get(segment.level) ?? 0) + 1);
      }
      for (const [level, count] of counts) levels.add({ level: String(level) }, count);
      bytes.set({ tenant, status: "live" }, byteCount);
      spans.set({ tenant, status: "live" }, spanCount);
      oldest.set({ tenant }, Number(oldestStart / 1_000_000n) / 1000);
    }
    const counts = state.wal.counts();
    pending.set({}, state.cutter.pendingBytes());
    failedCuts(state.cutter.failures);
    incompleteQueries(state.queryCut.incomplete);
    walBytes.set({}, counts.fileBytes);
    walCounters.records(counts.appendedRecords);
    walCounters.groups(counts.groups);
    walCounters.failed(counts.failedGroups);
    walCounters.quarantined(counts.quarantined.saved + counts.quarantined.failed);
  });
}

/** A counter whose value is kept elsewhere and only grows. */
function countedElsewhere(
  registry: MetricRegistry,
  name: string,
  help: string,
): (total: number) => void {
  const counter = registry.counter({ name, help });
  counter.inc({}, 0);
  let seen = 0;
  return (total) => {
    counter.inc({}, total - seen);
    seen = total;
  };
}

/** Metrics that Tempo's alert rules name; without them an alert on absence would fire. */
export function registerAlertMetrics(registry: MetricRegistry): void {
  const zero = (name: string, help: string) => registry.counter({ name, help }).inc({}, 0);
  zero("tempodb_blocklist_poll_errors_total", "Always 0: there is no block list to poll.");
  zero("tempodb_blocklist_tenant_index_errors_total", "Always 0: there is no tenant index.");
  zero(
    "tempo_overrides_user_configurable_overrides_reload_failed_total",
    "Always 0: there are no user-configurable overrides.",
  );
  registry
    .gauge({
      name: "tempo_runtime_config_last_reload_successful",
      help: "Whether the last reload of the per-tenant overrides succeeded.",
    })
    .set({}, 1);
}
