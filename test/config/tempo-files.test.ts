import { expect, test } from "vitest";
import { load } from "./support.ts";

const TWO_X = `stream_over_http_enabled: true
server: { http_listen_port: 3200, log_level: info }
query_frontend:
  search: { duration_slo: 5s, throughput_bytes_slo: 1.073741824e+09, metadata_slo: { duration_slo: 5s, throughput_bytes_slo: 1.073741824e+09 } }
  trace_by_id: { duration_slo: 5s }
distributor:
  receivers: { otlp: { protocols: { grpc: { endpoint: "0.0.0.0:4317" }, http: { endpoint: "0.0.0.0:4318" } } } }
ingester: { max_block_duration: 5m }
compactor: { compaction: { block_retention: 72h } }
metrics_generator:
  registry: { external_labels: { source: tempo, cluster: dev } }
  storage:
    path: /var/tempo/generator/wal
    remote_write: [ { url: "http://prometheus:9090/api/v1/write", send_exemplars: true } ]
  traces_storage: { path: /var/tempo/generator/traces }
storage:
  trace: { backend: local, wal: { path: /var/tempo/wal }, local: { path: /var/tempo/blocks } }
overrides:
  defaults: { metrics_generator: { processors: [service-graphs, span-metrics, local-blocks], generate_native_histograms: both } }
`;

const THREE_S3 = `stream_over_http_enabled: true
multitenancy_enabled: true
server: { http_listen_port: 3200 }
distributor: { receivers: { otlp: { protocols: { grpc: { endpoint: "0.0.0.0:4317" } } } } }
backend_worker: { compaction: { block_retention: 168h } }
storage:
  trace:
    backend: s3
    s3: { bucket: traces, endpoint: "minio:9000", access_key: "\${S3_KEY}", secret_key: "\${S3_SECRET}", insecure: true, forcepathstyle: true }
overrides:
  defaults: { ingestion: { rate_limit_bytes: 50000000, burst_size_bytes: 50000000 } }
  per_tenant_override_config: /conf/overrides.yaml
`;

const LEGACY = `overrides:
  max_bytes_per_trace: 20000000
  ingestion_rate_limit_bytes: 50000000
  metrics_generator_processors: [service-graphs, span-metrics]
`;

/** What the charts' template makes of their default values, Jaeger doors and all. */
const HELM = `stream_over_http_enabled: false
memberlist:
  cluster_label: "tempo.monitoring"
multitenancy_enabled: false
usage_report:
  reporting_enabled: true
compactor:
  compaction:
    block_retention: 24h
distributor:
  receivers:
    jaeger:
      protocols:
        grpc:
          endpoint: 0.0.0.0:14250
        thrift_binary:
          endpoint: 0.0.0.0:6832
        thrift_compact:
          endpoint: 0.0.0.0:6831
        thrift_http:
          endpoint: 0.0.0.0:14268
    opencensus: null
    otlp:
      protocols:
        grpc:
          endpoint: 0.0.0.0:4317
        http:
          endpoint: 0.0.0.0:4318
ingester:
  {}
server:
  http_listen_port: 3200
storage:
  trace:
    backend: local
    local:
      path: /var/tempo/traces
    wal:
      path: /var/tempo/wal
querier:
  {}
query_frontend:
  {}
overrides:
  defaults: {}
  per_tenant_override_config: /conf/overrides.yaml
metrics_generator:
  processor: {}
  registry: {}
  storage:
    path: /tmp/tempo
    remote_write:
      - url: http://prometheus.monitoring:9090/api/v1/write
  traces_storage:
    path: /tmp/traces
`;

const files = { "/conf/overrides.yaml": "overrides: {}\n" };

test("a 2.x file starts unchanged", () => {
  const { settings, warnings } = load(TWO_X);
  expect(warnings).toEqual([
    "accepted but without effect: overrides.defaults.metrics_generator.generate_native_histograms",
  ]);
  expect(settings.generator).toMatchObject({
    externalLabels: { source: "tempo", cluster: "dev" },
    remoteWrite: [{ url: "http://prometheus:9090/api/v1/write" }],
  });
  expect(settings.limits.generator).toMatchObject({
    spanMetrics: { calls: true, latency: true, size: true },
    serviceGraphs: { waitMs: 10_000 },
    hostInfo: undefined,
  });
  expect(settings.ingest).toMatchObject({
    walDir: "/var/tempo/wal",
    segmentDir: "/var/tempo/blocks",
    l1AfterMs: 300_000,
  });
  expect(settings.retention.retentionMs).toBe(72 * 3_600_000);
  expect(settings.otlp).toMatchObject({
    grpc: { endpoint: "0.0.0.0:4317" },
    http: { endpoint: "0.0.0.0:4318" },
  });
});

test("a 3.0 file with object storage starts unchanged, on S3 and on GCS", () => {
  const options = { args: ["-config.expand-env"], env: { S3_KEY: "k", S3_SECRET: "s" }, files };
  const { settings, warnings } = load(THREE_S3, options);
  expect(warnings).toEqual([]);
  expect(settings.bucket?.store).toMatchObject({
    backend: "s3",
    s3: {
      bucket: "traces",
      endpoint: "minio:9000",
      accessKey: "k",
      secretKey: "s",
      insecure: true,
      forcePathStyle: true,
    },
  });
  expect(settings.server.multitenancyEnabled).toBe(true);
  expect(settings.retention.retentionMs).toBe(168 * 3_600_000);
  expect(settings.limits.ingest).toMatchObject({ rateLimitBytes: 5e7, burstSizeBytes: 5e7 });
  const gcs = THREE_S3.replace("backend: s3", "backend: gcs").replace(
    "    s3:",
    "    gcs: { bucket_name: traces }\n    s3:",
  );
  expect(load(gcs, options).settings.bucket?.store).toMatchObject({
    backend: "gcs",
    gcs: { bucket: "traces", insecure: false },
  });
});

test("a file of legacy overrides starts unchanged", () => {
  const { settings, warnings } = load(LEGACY);
  expect(settings.limits).toMatchObject({
    ingest: { rateLimitBytes: 5e7, burstSizeBytes: 3e7 },
    query: { maxBytesPerTrace: 2e7 },
  });
  expect(warnings).toEqual([
    expect.stringMatching(/^DEPRECATED: Legacy/),
    expect.stringMatching(/^storage.trace.backend is not set/),
    "no metrics_generator.storage.path configured, metrics generator will be disabled",
  ]);
  expect(settings.generator).toBeUndefined();
  expect(settings.limits.generator).toBeUndefined();
});

test("what the Helm charts render starts with the arguments that they pass", () => {
  const { settings, warnings } = load(HELM, { args: ["-mem-ballast-size-mbs=1024"], files });
  expect(settings.server).toMatchObject({
    httpListenAddress: "",
    httpListenPort: 3200,
    streamOverHttpEnabled: false,
  });
  expect(settings.retention.retentionMs).toBe(24 * 3_600_000);
  expect(settings.perTenantOverrideFile).toBe("/conf/overrides.yaml");
  expect(warnings).toEqual(["accepted but without effect: distributor.receivers.opencensus"]);
  expect(settings.generator?.remoteWrite).toHaveLength(1);
  expect(settings.limits.generator, "no processor is asked for").toBeUndefined();
});
