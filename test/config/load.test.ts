import { expect, test } from "vitest";
import { renderConfig } from "../../src/config/render.ts";
import { configError, LOCAL, load, loadError } from "./support.ts";

test("without a file all doors are on localhost at Tempo's ports and data lies in ./pintail-data", () => {
  const { settings, warnings, action } = load(undefined);
  expect(action).toBe("run");
  expect(warnings).toEqual([]);
  expect(settings.server).toMatchObject({
    httpListenAddress: "localhost",
    httpListenPort: 3200,
    grpcListenAddress: "localhost",
    grpcListenPort: 9095,
    streamOverHttpEnabled: true,
  });
  expect(settings.otlp.grpc?.endpoint).toBe("localhost:4317");
  expect(settings.otlp.http?.endpoint).toBe("localhost:4318");
  expect(settings.ingest).toMatchObject({
    walDir: "./pintail-data/wal",
    segmentDir: "./pintail-data/blocks",
    cutAfterMs: 1000,
    l1Spans: 250_000,
    l1WalBytes: 268_435_456,
    l1AfterMs: 60_000,
    retryAfterMs: 5000,
  });
  expect(settings.dataDir).toBe("./pintail-data");
  expect(settings.query.queryEndCutoffMs).toBe(0);
  expect(settings.query.memoryLimitBytes).toBe(512 * 1024 * 1024);
  expect(settings.retention.retentionMs).toBe(48 * 3_600_000);
});

test("with a file the ports are open on all interfaces, and only named receivers are on", () => {
  const { settings, warnings } = load(
    `${LOCAL}distributor: { receivers: { otlp: { protocols: { grpc: } } } }\n`,
  );
  expect(warnings).toEqual([]);
  expect(settings.server.httpListenAddress).toBe("");
  expect(settings.otlp.grpc?.endpoint).toBe("localhost:4317");
  expect(settings.otlp.http).toBeUndefined();
});

test.each([
  "",
  "# nothing\n",
  "querier: {}\ningester: {}\noverrides: { defaults: {} }\ndistributor: { forwarders: [] }\nserver:\n",
])("empty blocks and null values set nothing: %j", (text) => {
  expect(load(text + LOCAL).warnings).toEqual([]);
});

test("an unknown key is named with its line and the nearest known one", () => {
  expect(loadError(`${LOCAL}server:\n  http_listen_prt: 3200\n`)).toBe(
    "failed parsing config: failed to parse configFile /etc/tempo.yaml: yaml: unmarshal errors:\n" +
      "  line 3: field http_listen_prt not found in type server (did you mean http_listen_port?)",
  );
  expect(loadError("qerier: {}\n")).toContain(
    "line 1: field qerier not found in type config (did you mean querier?)",
  );
  expect(loadError("zzzzzzz: {}\n")).not.toContain("did you mean");
});

test.each([
  [
    "server: { http_listen_port: many }",
    "line 1: cannot unmarshal !!str `many` into int (server.http_listen_port)",
  ],
  ["server: { http_listen_port: [1] }", "cannot unmarshal !!seq into int"],
  ["server: 5", "cannot unmarshal !!str `5` into server"],
  ["[1, 2]", "cannot unmarshal !!seq into config"],
  ["multitenancy_enabled: maybe", "into bool"],
  ["shutdown_delay: 5 minutes", "not a valid duration"],
  ["server: { log_level: loud }", '`loud` is not one of "debug", "info", "warn", "error"'],
  ["server: { http_listen_port: -1 }", "not between 0 and 65535"],
  ["a: 1\na: 2", 'yaml: line 2: key "a" already set'],
  ["a: [", "yaml: line 1: "],
])("%j fails with %j", (text, message) => {
  const error = configError(() => load(text));
  expect(error.exitCode).toBe(1);
  expect(error.message).toContain(
    "failed parsing config: failed to parse configFile /etc/tempo.yaml: ",
  );
  expect(error.message).toContain(message);
});

test("a file that cannot be read or expanded says so", () => {
  expect(loadError(undefined, { args: ["-config.file=/gone"] })).toBe(
    "failed parsing config: failed to read configFile /gone: open /gone: no such file or directory",
  );
  expect(loadError("a: ${X", { args: ["-config.expand-env"] })).toBe(
    "failed parsing config: failed to expand env vars from configFile /etc/tempo.yaml: missing closing brace",
  );
});

test("the environment is expanded only when that is asked for", () => {
  const text = `${LOCAL}server: { http_path_prefix: "\${P:-/x}" }\n`;
  expect(
    load(text, { args: ["-config.expand-env=true"], env: { P: "/y" } }).settings.server
      .httpPathPrefix,
  ).toBe("/y");
  expect(loadError(text)).toContain("must begin with /");
});

test("the environment is over the file, and flags are over the environment", () => {
  const env = {
    PINTAIL_DATA_DIR: "/data/",
    PINTAIL_LOG_LEVEL: "debug",
    PINTAIL_QUERY_MEMORY_BYTES: "1_000_000_000",
  };
  const { settings } = load(`${LOCAL}server: { log_level: warn }\n`, { env });
  expect(settings.ingest).toMatchObject({ walDir: "/data/wal", segmentDir: "/data/blocks" });
  expect(settings.dataDir).toBe("/data");
  expect(settings.log.level).toBe("debug");
  expect(settings.query.memoryLimitBytes).toBe(1_000_000_000);
  const args = ["-log.level=error", "-storage.trace.wal.path=/w"];
  const flagged = load(LOCAL, { env, args }).settings;
  expect(flagged.log.level).toBe("error");
  expect(flagged.ingest).toMatchObject({ walDir: "/w", segmentDir: "/data/blocks" });
  expect(loadError(LOCAL, { env: { PINTAIL_LOG_LEVEL: "loud" } })).toContain(
    "PINTAIL_LOG_LEVEL: `loud`",
  );
  expect(loadError(LOCAL, { env: { PINTAIL_QUERY_MEMORY_BYTES: "10" } })).toContain(
    "at least 67108864",
  );
});

test("the file's path may come from the environment", () => {
  const files = { "/e.yaml": `server: { http_listen_port: 9 }\n${LOCAL}` };
  expect(
    load(undefined, { env: { PINTAIL_CONFIG_FILE: "/e.yaml" }, files }).settings.server
      .httpListenPort,
  ).toBe(9);
});

test.each([
  ["local: { path: /var/tempo/traces }", "/var/tempo/wal", "/var/tempo/traces"],
  ["wal: { path: /var/tempo/wal/ }", "/var/tempo/wal", "/var/tempo/traces"],
  ["local: { path: /a }, wal: { path: /b }", "/b", "/a"],
  ["local: { path: data }", "wal", "data"],
])(
  "storage.trace { %s } puts the log into %s and segments into %s",
  (paths, walDir, segmentDir) => {
    const { settings } = load(`storage: { trace: { backend: local, ${paths} } }\n`);
    expect(settings.ingest).toMatchObject({ walDir, segmentDir });
    expect(settings.dataDir).toBe(`${segmentDir}/@pintail`);
    expect(settings.query.tempDir).toBe(`${segmentDir}/@pintail/tmp`);
  },
);

test.each([
  ["{}", 48],
  ["compactor: { compaction: { block_retention: 24h } }", 24],
  [
    "compactor: { compaction: { block_retention: 24h } }\nbackend_worker: { compaction: { block_retention: 72h } }",
    72,
  ],
  [
    "compactor: { compaction: { block_retention: 24h } }\nbackend_scheduler: { provider: { compaction: { compaction: { block_retention: 5h } } } }",
    24,
  ],
  ["backend_scheduler: { provider: { compaction: { compaction: { block_retention: 5h } } } }", 5],
  ["compactor: { compaction: { block_retention: 0 } }", 0],
])("%s keeps spans for %d hours", (text, hours) => {
  expect(load(text === "{}" ? LOCAL : `${text}\n${LOCAL}`).settings.retention.retentionMs).toBe(
    hours * 3_600_000,
  );
});

test("files outlive the longest query, and a short retention runs often", () => {
  const { settings } = load(
    `${LOCAL}compactor: { compaction: { block_retention: 20m, compacted_block_retention: 1s } }\nquerier: { search: { query_timeout: 2m } }\n`,
  );
  expect(settings.retention).toMatchObject({ deleteGraceMs: 240_000, intervalMs: 120_000 });
});

test.each([
  ["ingester: { max_block_duration: 30m }", 300_000],
  ["ingester: { max_block_duration: 2m }", 120_000],
  ["ingester: { max_block_duration: 2m }\nlive_store: { max_block_duration: 30s }", 30_000],
  ["live_store: { max_block_duration: 1ms }", 1000],
])("%s rewrites spans after %d ms", (text, ms) => {
  expect(load(`${text}\n${LOCAL}`).settings.ingest.l1AfterMs).toBe(ms);
});

test("parallel queries leave the thread pool room for files", () => {
  const parallel = (asked: number | undefined, pool: string | undefined) =>
    load(asked === undefined ? LOCAL : `${LOCAL}querier: { max_concurrent_queries: ${asked} }\n`, {
      env: pool === undefined ? {} : { UV_THREADPOOL_SIZE: pool },
    }).settings.query.maxConcurrentQueries;
  expect(parallel(undefined, "16")).toBe(4);
  expect(parallel(20, "16")).toBe(12);
  expect(parallel(20, undefined)).toBe(2);
  expect(parallel(0, "16")).toBe(1);
});

test("both names of the attribute limit and of multitenancy work", () => {
  expect(
    load(`${LOCAL}distributor: { max_span_attr_byte: 9 }\n`).settings.limits.ingest
      .maxAttributeBytes,
  ).toBe(9);
  expect(
    load(`${LOCAL}distributor: { max_attribute_bytes: 8, max_span_attr_byte: 9 }\n`).settings.limits
      .ingest.maxAttributeBytes,
  ).toBe(8);
  expect(load(`${LOCAL}auth_enabled: yes\n`).settings.server.multitenancyEnabled).toBe(true);
});

test("the query front end's limits arrive", () => {
  const { settings, warnings } = load(`${LOCAL}query_frontend:
  search: { default_result_limit: 7, max_result_limit: 8, max_duration: 1h, default_spans_per_span_set: 1, max_spans_per_span_set: 2 }
  multi_tenant_queries_enabled: false
  api_timeout: 5s
  url_deny_list: ["^/api/search.*x"]
  max_query_expression_size_bytes: 100
  query_end_cutoff: 30s
  metrics: { max_duration: 2h, max_exemplars: 5, max_intervals: 600, max_response_series: 1000 }
  max_outstanding_per_tenant: 3
querier: { trace_by_id: { query_timeout: 4s } }
`);
  expect(warnings).toEqual([]);
  expect(settings.limits.query).toMatchObject({
    defaultSearchLimit: 7,
    maxSearchLimit: 8,
    maxSearchDurationMs: 3_600_000,
    maxMetricsDurationMs: 7_200_000,
    defaultSpansPerSpanSet: 1,
    maxSpansPerSpanSet: 2,
  });
  expect(settings.query).toMatchObject({
    multiTenantQueriesEnabled: false,
    apiTimeoutMs: 5000,
    urlDenyList: ["^/api/search.*x"],
    maxQueryBytes: 100,
    queryEndCutoffMs: 30_000,
    maxMetricsExemplars: 5,
    maxMetricsIntervals: 600,
    maxMetricsSeries: 1000,
    maxOutstandingPerTenant: 3,
    traceByIdTimeoutMs: 4000,
  });
});

test("keys without effect are named together in one warning, their defaults are not", () => {
  const { warnings } =
    load(`${LOCAL}cache: { caches: [ { roles: [bloom], memcached: { host: x } } ] }
memberlist: { join_members: [a, b], cluster_label: x, anything_else: 1 }
internal_server: { enable: true, http_listen_port: 3101 }
server: { http_listen_network: tcp, proxy_protocol_enabled: true }
query_frontend: { mcp_server: { enabled: true } }
metrics_generator: { storage: { path: /p }, limiter_type: entity }
overrides: { defaults: { metrics_generator: { span_name_sanitization: enabled, max_active_entities: 5, max_cardinality_per_label: 6, generate_native_histograms: classic } } }
`);
  expect(warnings).toEqual([
    "accepted but without effect: cache, memberlist.join_members, internal_server.enable, server.proxy_protocol_enabled, query_frontend.mcp_server.enabled, metrics_generator.limiter_type, overrides.defaults.metrics_generator.span_name_sanitization, overrides.defaults.metrics_generator.max_active_entities, overrides.defaults.metrics_generator.max_cardinality_per_label",
  ]);
});

test.each([
  [
    "ingester: { flush_object_storage: false }",
    "line 1: ingester.flush_object_storage is not supported",
  ],
  [
    "distributor: { ingester_write_path_enabled: false }",
    "distributor.ingester_write_path_enabled is not supported",
  ],
  [
    "query_frontend: { trace_by_id: { external_enabled: true } }",
    "query_frontend.trace_by_id.external_enabled",
  ],
  [
    "querier: { trace_by_id: { external: { endpoint: x } } }",
    "querier.trace_by_id.external.endpoint",
  ],
  [
    "overrides: { defaults: { forwarders: [f] } }",
    "overrides.defaults.forwarders is not supported",
  ],
  [
    "server: { http_tls_config: { cert: PEM, key: PEM } }",
    "server.http_tls_config.cert is not supported",
  ],
  ["server: { http_tls_config: { cert_file: c } }", "needs both cert_file and key_file"],
  [
    "server: { grpc_tls_config: { cert_file: c, key_file: k, client_ca_file: a } }",
    "without a client_auth_type",
  ],
  ["server: { http_tls_config: { client_auth_type: RequireAnyClientCert } }", "has no cert_file"],
  ["target: querier", "target querier is not supported"],
  ["http_api_prefix: tempo", "must begin with /"],
  [
    "query_frontend: { query_end_cutoff: 15m }",
    "QueryBackendAfter (15m) must be greater than query end cutoff (15m)",
  ],
  ["overrides: { per_tenant_override_period: 0 }", "must be greater than 0"],
])("%s refuses to start", (text, message) => {
  const error = configError(() => load(`${text}\n${LOCAL}`));
  expect(error.message).toContain("cannot start with the configuration of /etc/tempo.yaml:\n");
  expect(error.message).toContain(message);
});

test("a refused key at its default is no reason to refuse", () => {
  const text =
    "ingester: { flush_object_storage: true }\ndistributor: { ingester_write_path_enabled: true, forwarders: [] }\nquery_frontend: { trace_by_id: { external_enabled: no } }\n";
  expect(load(text + LOCAL).warnings).toEqual([]);
});

test("backend azure is refused, never replaced by local", () => {
  expect(loadError("storage: { trace: { backend: azure } }\n")).toBe(
    "cannot start with the configuration of /etc/tempo.yaml:\n  storage.trace.backend azure is not supported: local, s3 (also of other vendors) and gcs are",
  );
});

test("an unknown backend is refused, an absent one is local with a warning", () => {
  expect(loadError("storage: { trace: { backend: nfs } }\n")).toContain("unknown backend nfs");
  expect(load("storage: { trace: { local: { path: /x/blocks } } }\n").warnings).toEqual([
    "storage.trace.backend is not set: segments are kept in /x/blocks",
  ]);
});

test("TLS of the ports arrives with Node's version names", () => {
  const { settings } = load(`${LOCAL}server:
  tls_min_version: VersionTLS12
  http_tls_config: { cert_file: c, key_file: k, client_ca_file: a, client_auth_type: RequireAndVerifyClientCert }
`);
  expect(settings.server.httpTls).toEqual({
    certFile: "c",
    keyFile: "k",
    clientCaFile: "a",
    clientAuthType: "RequireAndVerifyClientCert",
    minVersion: "TLSv1.2",
    maxVersion: undefined,
  });
  expect(settings.server.grpcTls).toBeUndefined();
});

test.each([
  [
    "live_store: { complete_block_timeout: 1m }",
    "live_store.complete_block_timeout < storage.trace.blocklist_poll",
  ],
  [
    "compactor: { compaction: { block_retention: 1m } }",
    "backend_worker.compaction.compacted_block_timeout < storage.trace.blocklist_poll",
  ],
  [
    "backend_worker: { compaction: { retention_concurrency: 0 } }",
    "backend_worker.compaction.retention_concurrency must be greater than zero. Using default.",
  ],
  ["overrides: { max_bytes_per_trace: 1 }", "DEPRECATED: Legacy (flat, unscoped) overrides format"],
  ["target: scalable-single-binary", "target scalable-single-binary is run as all"],
])("%s warns", (text, begin) => {
  const { warnings } = load(`${text}\n${LOCAL}`, { args: ["-config.verify"] });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]?.startsWith(begin)).toBe(true);
});

test("-config.verify loads everything and asks to stop", () => {
  expect(load(LOCAL, { args: ["-config.verify"] })).toMatchObject({
    action: "verify",
    warnings: [],
  });
  expect(load(LOCAL, { args: ["-config.verify=true"] }).action).toBe("verify");
  expect(load(LOCAL, { args: ["-config.verify=false"] }).action).toBe("run");
});

test("limits of the overrides' defaults arrive", () => {
  const { settings } = load(`${LOCAL}overrides:
  defaults:
    ingestion: { rate_limit_bytes: 1, burst_size_bytes: 2, max_attribute_bytes: 3, retry_info_enabled: false }
    read: { max_bytes_per_tag_values_query: 4, max_condition_groups_per_tag_query: 5, max_search_duration: 1d, left_pad_trace_ids: true }
    compaction: { block_retention: 30d, compaction_disabled: true }
    global: { max_bytes_per_trace: 6 }
  per_tenant_override_period: 1m
`);
  expect(settings.perTenantOverridePeriodMs).toBe(60_000);
  expect(settings.limits).toMatchObject({
    ingest: { rateLimitBytes: 1, burstSizeBytes: 2, maxAttributeBytes: 3, retryInfoEnabled: false },
    query: {
      maxBytesPerTagValuesQuery: 4,
      maxConditionGroupsPerTagQuery: 5,
      maxSearchDurationMs: 86_400_000,
      leftPadTraceIds: true,
      maxBytesPerTrace: 6,
    },
    retentionMs: 30 * 86_400_000,
    compactionDisabled: true,
  });
});

test("the status page shows all values, the differing ones, or the defaults, without credentials", () => {
  const config = load(
    `${LOCAL}metrics_generator:
  storage:
    remote_write:
      - url: "https://user:hunter2@prom/api"
        basic_auth: { username: u, password: hunter2 }
        headers: { Authorization: hunter2 }
        http_headers: { X: { secrets: [hunter2] } }
        tls_config: { key: hunter2 }
`,
    {
      args: [
        "-storage.trace.s3.secret_key=hunter2",
        "-storage.trace.s3.access_key=hunter2",
        "-storage.trace.azure.storage_account_key=hunter2",
        "-storage.trace.s3.session_token=hunter2",
        "-storage.trace.s3.sse.encryption-key=hunter2",
      ],
    },
  );
  const all = renderConfig(config, undefined);
  expect(all).not.toContain("hunter2");
  expect(all).toContain("secret_key: <secret>");
  expect(all).toContain("url: https://<secret>@prom/api");
  expect(all).toContain("http_listen_port: 3200");
  const diff = renderConfig(config, "diff");
  expect(diff).toContain("username: u");
  expect(diff).not.toContain("http_listen_port");
  expect(diff).not.toContain("hunter2");
  expect(renderConfig(config, "defaults")).not.toContain("remote_write:");
  expect(() => renderConfig(config, "foo")).toThrow("unknown value for mode query parameter: foo");
});
