import type { ObservedRequest } from "../drivers/objects/store-parts.ts";
import type { BucketMetrics } from "../storage/bucket/metrics.ts";
import type { SegmentCacheMetrics } from "../storage/segment-cache/segment-cache.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";

const BACKEND_BUCKETS = [0.005, 0.02, 0.08, 0.32, 1.28, 5.12];

const METHODS: Readonly<Record<ObservedRequest["operation"], string>> = {
  put: "PUT",
  put_part: "PUT",
  get: "GET",
  list: "GET",
  head: "HEAD",
  delete: "DELETE",
  abort_upload: "DELETE",
  start_upload: "POST",
  complete_upload: "POST",
};

/** Outcomes that an answer had; the others ended without one. */
const STATUS: Readonly<Partial<Record<ObservedRequest["outcome"], string>>> = {
  ok: "200",
  missing: "404",
  precondition: "412",
  denied: "403",
  throttled: "503",
  server_error: "500",
};

/** Tempo's histogram of requests to the bucket, for its dashboards and alerts. */
export function observeTempoRequests(registry: MetricRegistry): (request: ObservedRequest) => void {
  const seconds = registry.histogram({
    name: "tempodb_backend_request_duration_seconds",
    help: "Time of requests to the bucket that were answered; the status is that of their kind.",
    labels: ["operation", "status_code"],
    buckets: BACKEND_BUCKETS,
  });
  return ({ operation, outcome, durationMs }) => {
    const status = STATUS[outcome];
    if (status === undefined) return;
    seconds.observe({ operation: METHODS[operation], status_code: status }, durationMs / 1000);
  };
}

export function bucketMetrics(registry: MetricRegistry): BucketMetrics {
  const counter = (name: string, help: string) => {
    const metric = registry.counter({ name, help });
    metric.inc({}, 0);
    return metric;
  };
  const uploads = counter("pintail_bucket_uploads_total", "Segments that the bucket got.");
  const uploadedBytes = counter("pintail_bucket_uploaded_bytes_total", "Bytes of these.");
  const uploadFailures = counter(
    "pintail_bucket_upload_failures_total",
    "Uploads that failed, after the retries of their requests.",
  );
  const deleted = counter("pintail_bucket_deleted_objects_total", "Objects deleted.");
  const deleteFailures = counter(
    "pintail_bucket_delete_failures_total",
    "Objects that could not be deleted yet.",
  );
  const refused = counter(
    "pintail_bucket_refused_pushes_total",
    "Pushes refused because too much waits for the bucket.",
  );
  const sweeps = counter("pintail_bucket_sweeps_total", "Sweeps of the bucket that ended well.");
  const sweepFailures = counter("pintail_bucket_sweep_failures_total", "Sweeps that failed.");
  const swept = registry.gauge({
    name: "pintail_bucket_swept_objects",
    help: "Objects as the last sweep found them: all, unknown to the catalog, missing, different.",
    labels: ["state"],
  });
  const sweptBytes = registry.gauge({
    name: "pintail_bucket_swept_bytes",
    help: "Bytes of all objects that the last sweep found.",
  });
  return {
    uploaded(bytes) {
      uploads.inc({});
      uploadedBytes.inc({}, bytes);
    },
    uploadFailed: () => uploadFailures.inc({}),
    deleted: (objects) => deleted.inc({}, objects),
    deleteFailed: () => deleteFailures.inc({}),
    pushRefused: () => refused.inc({}),
    swept({ objects, bytes, unknown, missing, different }) {
      sweeps.inc({});
      for (const [state, count] of Object.entries({ all: objects, unknown, missing, different })) {
        swept.set({ state }, count);
      }
      sweptBytes.set({}, bytes);
    },
    sweepFailed: () => sweepFailures.inc({}),
  };
}

/** `watch` is given what tells the bytes on the local disk. */
export function segmentCacheMetrics(registry: MetricRegistry): {
  readonly metrics: SegmentCacheMetrics;
  readonly watch: (bytes: () => number) => void;
} {
  const asked = registry.counter({
    name: "pintail_segment_cache_requests_total",
    help: "Needs of readers, met from the local disk (hit) or by the bucket (miss).",
    labels: ["result"],
  });
  for (const result of ["hit", "miss"]) asked.inc({ result }, 0);
  const counter = (name: string, help: string) => {
    const metric = registry.counter({ name, help });
    metric.inc({}, 0);
    return metric;
  };
  const fetches = counter("pintail_segment_cache_fetches_total", "Ranges read from the bucket.");
  const fetchedBytes = counter("pintail_segment_cache_fetched_bytes_total", "Bytes of these.");
  const refetched = counter(
    "pintail_segment_cache_refetches_total",
    "Fetches whose bytes did not have the checksums of what was stored, and that were repeated.",
  );
  const evicted = counter("pintail_segment_cache_evicted_bytes_total", "Bytes of copies deleted.");
  const broken = counter(
    "pintail_segment_cache_broken_total",
    "Objects, and local copies of them, that were not what was stored.",
  );
  const bytes = registry.gauge({
    name: "pintail_segment_cache_bytes",
    help: "Bytes of copies on the local disk.",
  });
  return {
    metrics: {
      asked: (hit) => asked.inc({ result: hit ? "hit" : "miss" }),
      fetched(requests, count) {
        fetches.inc({}, requests);
        fetchedBytes.inc({}, count);
      },
      refetched: () => refetched.inc({}),
      evicted: (count) => evicted.inc({}, count),
      broken: () => broken.inc({}),
    },
    watch: (read) => registry.onCollect(() => bytes.set({}, read())),
  };
}

export type BucketState = {
  readonly reachable: boolean | undefined;
  readonly owned: boolean | undefined;
  readonly waitingSegments: number;
  readonly waitingBytes: number;
  readonly oldestWaitingSeconds: number;
  readonly badSegments: number;
  readonly refusing: boolean;
};

/** Gauges, read when somebody asks. */
export function registerBucketState(registry: MetricRegistry, read: () => BucketState): void {
  const gauge = (name: string, help: string) => registry.gauge({ name, help });
  const gauges = {
    reachable: gauge("pintail_bucket_reachable", "1 unless the last call of the bucket failed."),
    owned: gauge("pintail_bucket_owned", "0 when the bucket belongs to another catalog."),
    segments: gauge("pintail_bucket_backlog_segments", "Segments that the bucket does not have."),
    bytes: gauge("pintail_bucket_backlog_bytes", "Bytes of these."),
    oldest: gauge("pintail_bucket_backlog_oldest_seconds", "Age of the oldest of these."),
    bad: gauge(
      "pintail_bucket_bad_segments",
      "Segments whose local file is missing or damaged, and that the bucket does not have.",
    ),
    refusing: gauge(
      "pintail_bucket_refusing_pushes",
      "1 while pushes are refused for the backlog.",
    ),
  };
  registry.onCollect(() => {
    const state = read();
    gauges.reachable.set({}, state.reachable === false ? 0 : 1);
    gauges.owned.set({}, state.owned === false ? 0 : 1);
    gauges.segments.set({}, state.waitingSegments);
    gauges.bytes.set({}, state.waitingBytes);
    gauges.oldest.set({}, state.oldestWaitingSeconds);
    gauges.bad.set({}, state.badSegments);
    gauges.refusing.set({}, state.refusing ? 1 : 0);
  });
}
