import { expect, test } from "vitest";
import type { LoadedConfig } from "../../src/config/load.ts";
import { renderConfig } from "../../src/config/render.ts";
import type { Files } from "./support.ts";
import { configError, LOCAL, load, loadError } from "./support.ts";

const OFF = "no metrics_generator.storage.path configured, metrics generator will be disabled";

const USUAL_SPAN_METRICS = {
  calls: true,
  latency: true,
  size: true,
  histogramBuckets: [
    0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192,
    16.384,
  ],
  intrinsicDimensions: {
    service: true,
    spanName: true,
    spanKind: true,
    statusCode: true,
    statusMessage: false,
  },
  dimensions: [],
  dimensionMappings: [],
  targetInfo: false,
  targetInfoExcluded: [],
  instanceLabel: true,
  multiplier: { key: "", fromTraceState: false },
  filterPolicies: [],
};

const USUAL_SERVICE_GRAPHS = {
  waitMs: 10_000,
  maxItems: 10_000,
  histogramBuckets: [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8],
  dimensions: [],
  clientServerPrefix: false,
  messagingSystemLatency: false,
  peerAttributes: ["peer.service", "db.name", "db.system"],
  databaseNameAttributes: ["db.namespace", "db.name", "db.system"],
  virtualNodeLabel: false,
  multiplier: { key: "", fromTraceState: false },
  filterPolicies: [],
};

/** `generator` and `defaults` as YAML flow maps without their braces. */
const main = (generator: string, defaults: string) => `${LOCAL}metrics_generator:
  storage: { path: /var/tempo/generator }
  ${generator}
overrides:
  defaults:
    metrics_generator: { ${defaults} }
`;

const ALL = "processors: [service-graphs, span-metrics, host-info]";

function withTenants(text: string, file = main("", "")): LoadedConfig {
  const files: Files = { "/conf/overrides.yaml": text };
  return load(`${file}  per_tenant_override_config: /conf/overrides.yaml\n`, { files });
}

test("processors without other keys have Tempo's defaults", () => {
  const { settings, warnings } = load(main("", ALL));
  expect(warnings).toEqual([]);
  expect(settings.generator).toEqual({
    staleMs: 900_000,
    externalLabels: {},
    tenantLabel: "",
    maxLabelNameBytes: 1024,
    maxLabelValueBytes: 2048,
    remoteWrite: [],
    flushDeadlineMs: 60_000,
    addOrgIdHeader: true,
  });
  expect(settings.limits.generator).toEqual({
    spanMetrics: USUAL_SPAN_METRICS,
    serviceGraphs: USUAL_SERVICE_GRAPHS,
    hostInfo: { hostIdentifiers: ["k8s.node.name", "host.id"], metricName: "traces_host_info" },
    slackMs: 30_000,
    maxActiveSeries: 0,
    collectionIntervalMs: 15_000,
    collectionDisabled: false,
    traceIdLabel: "traceID",
    remoteWriteHeaders: {},
  });
});

const GLOBAL = `metrics_ingestion_time_range_slack: 1m
  registry:
    collection_interval: 20s
    stale_duration: 5m
    external_labels: { cluster: c, on: yes }
    inject_tenant_id_as: tenant
    max_label_name_length: 10
    max_label_value_length: 20
  processor:
    service_graphs:
      wait: 5s
      max_items: 7
      workers: 3
      histogram_buckets: [1, 2.5]
      dimensions: [a, b]
      peer_attributes: [p]
      database_name_attributes: [d]
      enable_client_server_prefix: true
      enable_messaging_system_latency_histogram: true
      enable_virtual_node_label: true
      span_multiplier_key: m
      enable_tracestate_span_multiplier: true
      filter_policies:
        - exclude: { match_type: regex, attributes: [ { key: name, value: "^/health" } ] }
    span_metrics:
      histogram_buckets: [3]
      intrinsic_dimensions: { service: false, status_message: true }
      dimensions: [http.method]
      dimension_mappings:
        - { name: env, source_labels: [x, y.z], join: / }
      enable_target_info: true
      target_info_excluded_dimensions: [e]
      enable_instance_label: false
      span_multiplier_key: n
      enable_tracestate_span_multiplier: true
    host_info: { host_identifiers: [h], metric_name: hosts }`;

test("all global keys arrive", () => {
  const { settings, warnings } = load(main(GLOBAL, ALL));
  expect(warnings).toEqual([]);
  expect(settings.generator).toMatchObject({
    staleMs: 300_000,
    externalLabels: { cluster: "c", on: "yes" },
    tenantLabel: "tenant",
    maxLabelNameBytes: 10,
    maxLabelValueBytes: 20,
  });
  expect(settings.limits.generator).toMatchObject({
    slackMs: 60_000,
    collectionIntervalMs: 20_000,
    serviceGraphs: {
      waitMs: 5000,
      maxItems: 7,
      histogramBuckets: [1, 2.5],
      dimensions: ["a", "b"],
      clientServerPrefix: true,
      messagingSystemLatency: true,
      peerAttributes: ["p"],
      databaseNameAttributes: ["d"],
      virtualNodeLabel: true,
      multiplier: { key: "m", fromTraceState: true },
      filterPolicies: [
        {
          include: undefined,
          includeAny: undefined,
          exclude: { type: "regex", attributes: [{ of: "name", key: "", value: "^/health" }] },
        },
      ],
    },
    spanMetrics: {
      histogramBuckets: [3],
      intrinsicDimensions: {
        service: false,
        spanName: true,
        spanKind: true,
        statusCode: true,
        statusMessage: true,
      },
      dimensions: ["http.method"],
      dimensionMappings: [{ name: "env", sourceLabels: ["x", "y.z"], join: "/" }],
      targetInfo: true,
      targetInfoExcluded: ["e"],
      instanceLabel: false,
      multiplier: { key: "n", fromTraceState: true },
      filterPolicies: [],
    },
    hostInfo: { hostIdentifiers: ["h"], metricName: "hosts" },
  });
});

test("an override stands for the global value, also when it is false or empty", () => {
  const own = `${ALL}, max_active_series: 9, collection_interval: 1m, disable_collection: true,
      trace_id_label_name: trace, remote_write_headers: { X-Scope-OrgID: other },
      ingestion_time_range_slack: 12h, processor: {
        service_graphs: { histogram_buckets: 4, dimensions: [], peer_attributes: [q],
          enable_client_server_prefix: false, span_multiplier_key: "", filter_policies: [] },
        span_metrics: { intrinsic_dimensions: { service: true, span_kind: false },
          dimension_mappings: [], enable_target_info: false, enable_instance_label: true,
          dimensions: [k] },
        host_info: { metric_name: own } }`;
  expect(load(main(GLOBAL, own)).settings.limits.generator).toMatchObject({
    slackMs: 12 * 3_600_000,
    maxActiveSeries: 9,
    collectionIntervalMs: 60_000,
    collectionDisabled: true,
    traceIdLabel: "trace",
    remoteWriteHeaders: { "X-Scope-OrgID": "other" },
    serviceGraphs: {
      waitMs: 5000,
      histogramBuckets: [4],
      dimensions: [],
      clientServerPrefix: false,
      virtualNodeLabel: true,
      peerAttributes: ["q"],
      multiplier: { key: "m", fromTraceState: true },
      filterPolicies: [],
    },
    spanMetrics: {
      histogramBuckets: [3],
      intrinsicDimensions: {
        service: true,
        spanName: true,
        spanKind: false,
        statusCode: true,
        statusMessage: true,
      },
      dimensions: ["k"],
      dimensionMappings: [],
      targetInfo: false,
      instanceLabel: true,
    },
    hostInfo: { hostIdentifiers: ["h"], metricName: "own" },
  });
});

test("without a storage path nothing is derived, with one warning where processors are asked for", () => {
  const file = main(GLOBAL, ALL).replace("path: /var/tempo/generator", "");
  const { settings, warnings } = load(file);
  expect(warnings).toEqual([OFF]);
  expect(settings.generator).toBeUndefined();
  expect(settings.limits.generator).toBeUndefined();
  expect(load(file.replace(ALL, "")).warnings).toEqual([]);
  const rate = "ingestion: { rate_limit_bytes: 1, burst_size_bytes: 1 }";
  const tenants = `overrides: { a: { ${rate}, metrics_generator: { ${ALL} } } }`;
  expect(withTenants(tenants, file).warnings).toEqual([OFF]);
  expect(withTenants(tenants, file.replace(ALL, "")).warnings).toEqual([OFF]);
  expect(withTenants(tenants, file).overrides.limitsFor("a").generator).toBeUndefined();
});

test.each([
  ["[span-metrics]", [true, true, true]],
  ["[span-metrics-count]", [true, false, false]],
  ["[span-metrics-latency, span-metrics-size]", [false, true, true]],
  ["[span-metrics, span-metrics-size]", [true, true, true]],
  ["span-metrics-size", [false, false, true]],
  ["{ span-metrics-count: , span-metrics-size: {} }", [true, false, true]],
])("processors %s derive calls, latency, size: %s", (processors, expected) => {
  const { spanMetrics, serviceGraphs, hostInfo } = load(main("", `processors: ${processors}`))
    .settings.limits.generator!;
  expect([spanMetrics?.calls, spanMetrics?.latency, spanMetrics?.size]).toEqual(expected);
  expect([serviceGraphs, hostInfo]).toEqual([undefined, undefined]);
});

test("a part of the span metrics alone has the usual buckets", () => {
  const buckets = "processor: { span_metrics: { histogram_buckets: [5] } }";
  const bucketsOf = (processors: string) =>
    load(main(buckets, `processors: ${processors}`)).settings.limits.generator?.spanMetrics
      ?.histogramBuckets;
  expect(bucketsOf("[span-metrics-latency]")).toEqual(USUAL_SPAN_METRICS.histogramBuckets);
  expect(bucketsOf("[span-metrics-latency, span-metrics]")).toEqual([5]);
});

test("unknown processors are ignored with a warning, local-blocks without", () => {
  const { settings, warnings } = load(main("", "processors: [local-blocks, span-metric, x]"));
  expect(settings.limits.generator).toBeUndefined();
  expect(warnings).toEqual([
    "overrides.defaults.metrics_generator.processors names unknown processors, which are ignored: span-metric, x",
  ]);
  const tenants = withTenants(
    "overrides: { a: { ingestion: { rate_limit_bytes: 1, burst_size_bytes: 1 }, metrics_generator: { processors: [y, host-info] } } }",
  );
  expect(tenants.warnings).toEqual([
    "/conf/overrides.yaml: overrides.<tenant>.metrics_generator.processors names unknown processors, which are ignored: y",
  ]);
  expect(tenants.overrides.limitsFor("a").generator?.hostInfo).toBeDefined();
});

test("a tenant's entry replaces the defaults' as a whole, and falls back to the global values", () => {
  const defaults = `${ALL}, max_active_series: 9, processor: { span_metrics: { dimensions: [of-defaults] } }`;
  const { overrides, settings } = withTenants(
    `overrides:
  a: { metrics_generator: { processors: [span-metrics] } }
  b: { compaction: { block_retention: 1d } }
  "*": { metrics_generator: { processors: [host-info], max_active_series: 3 } }
`,
    main("processor: { span_metrics: { dimensions: [global] } }", defaults),
  );
  expect(settings.limits.generator).toMatchObject({
    maxActiveSeries: 9,
    spanMetrics: { dimensions: ["of-defaults"] },
  });
  expect(overrides.limitsFor("a").generator).toMatchObject({
    maxActiveSeries: 0,
    traceIdLabel: "traceID",
    spanMetrics: { dimensions: ["global"] },
    serviceGraphs: undefined,
  });
  expect(overrides.limitsFor("b").generator).toBeUndefined();
  expect(overrides.limitsFor("c").generator).toMatchObject({ maxActiveSeries: 3 });
});

test("flat legacy names are read like scoped ones", () => {
  const { overrides } = withTenants(`overrides:
  a:
    metrics_generator_processors: [service-graphs, span-metrics]
    metrics_generator_max_active_series: 5
    metrics_generator_collection_interval: 30s
    metrics_generator_disable_collection: true
    metrics_generator_trace_id_label_name: t
    metrics_generator_remote_write_headers: { X: y }
    metrics_generator_ingestion_time_range_slack: 1m
    metrics_generator_generate_native_histograms: classic
    metrics_generator_forwarder_queue_size: 5
    metrics_generator_processor_service_graphs_histogram_buckets: [1]
    metrics_generator_processor_service_graphs_peer_attributes: [p]
    metrics_generator_processor_span_metrics_dimensions: [d]
    metrics_generator_processor_span_metrics_intrinsic_dimensions: { service: false }
    metrics_generator_processor_span_metrics_enable_target_info: true
    metrics_generator_processor_host_info_metric_name: h
    metrics_generator_processor_local_blocks_max_live_traces: 5
`);
  expect(overrides.limitsFor("a").generator).toMatchObject({
    maxActiveSeries: 5,
    collectionIntervalMs: 30_000,
    collectionDisabled: true,
    traceIdLabel: "t",
    remoteWriteHeaders: { X: "y" },
    slackMs: 60_000,
    serviceGraphs: { histogramBuckets: [1], peerAttributes: ["p"] },
    spanMetrics: {
      dimensions: ["d"],
      targetInfo: true,
      intrinsicDimensions: { service: false, spanName: true },
    },
  });
});

test("native histograms are warned about and stay classic", () => {
  const { warnings, settings } = load(main("", `${ALL}, generate_native_histograms: native`));
  expect(warnings).toEqual([
    "accepted but without effect: overrides.defaults.metrics_generator.generate_native_histograms",
  ]);
  expect(settings.limits.generator?.spanMetrics?.histogramBuckets).toHaveLength(14);
});

test("equal settings are one object, through a reload too", () => {
  const policy = "{ include: { match_type: strict, attributes: [{ key: span.n, value: 5 }] } }";
  const entry = (value: string) =>
    `{ metrics_generator: { processors: [span-metrics], processor: { span_metrics: { filter_policies: [${policy.replace("5", value)}] } } } }`;
  const { overrides, settings } = withTenants(
    `overrides: { a: ${entry("5")}, b: ${entry("5")}, c: ${entry('"5"')}, d: { metrics_generator: { ${ALL} } } }`,
    main("", ALL),
  );
  const of = (tenant: string) => overrides.limitsFor(tenant).generator;
  const before = of("a");
  expect(before?.spanMetrics).toBeDefined();
  expect(of("a")).toBe(before);
  expect(of("b")).toBe(before);
  expect(of("c")).not.toBe(before);
  expect(of("d"), "as in the defaults").toBe(settings.limits.generator);
  overrides.reload(`overrides: { a: ${entry("5")}, b: ${entry("6")} }`);
  expect(of("a")).toBe(before);
  expect(of("b")).not.toBe(before);
  expect(of("c")).toBe(settings.limits.generator);
});

const spanMetrics = (keys: string) => `processor: { span_metrics: { ${keys} } }`;
const MANY = Array.from({ length: 1001 }, (_, i) => i + 1).join(", ");

test.each([
  [spanMetrics("histogram_buckets: [1, 1]"), "span_metrics.histogram_buckets must be rising"],
  [spanMetrics("histogram_buckets: []"), "has 0 buckets, not 1 to 1000"],
  [spanMetrics(`histogram_buckets: [${MANY}]`), "has 1001 buckets"],
  [spanMetrics("histogram_buckets: [1, a]"), "cannot unmarshal !!str `a` into float64"],
  [spanMetrics("histogram_buckets: [1, .inf]"), "into float64"],
  [spanMetrics(`dimensions: [${MANY}]`), "has 1001 names, the limit is 1000"],
  [spanMetrics("intrinsic_dimensions: { nope: true }"), "field nope not found"],
  [spanMetrics("dimension_mappings: [{ source_labels: [a] }]"), "a mapping needs a name"],
  [spanMetrics("dimension_mappings: x"), "must be a list of 1000 at most"],
  [spanMetrics("dimension_mappings: [{ nam: x }]"), "field nam not found"],
  [
    spanMetrics("dimension_mappings: [{ name: span.kind }]"),
    "span.kind is already the label of an intrinsic",
  ],
  [
    spanMetrics("dimensions: [http.url], dimension_mappings: [{ name: http_url }]"),
    "http_url is already the label of the dimension http.url",
  ],
  [
    spanMetrics("dimensions: [service], dimension_mappings: [{ name: __service }]"),
    "__service is already the label of the dimension service",
  ],
  [
    spanMetrics("dimension_mappings: [{ name: a.b }, { name: a_b }]"),
    "a_b is already the label of the mapping a.b",
  ],
  [
    "processor: { service_graphs: { histogram_buckets: [2, 1] } }",
    "service_graphs.histogram_buckets must be rising",
  ],
  ["registry: { collection_interval: 0 }", "registry.collection_interval must be greater than 0"],
  ["registry: { stale_duration: 0 }", "registry.stale_duration must be greater than 0"],
  ["limiter_type: x", "`x` is not one of"],
])("the global %s refuses to start", (generator, message) => {
  expect(loadError(main(generator, ""))).toContain(message);
});

test("what is wrong is told once, with its line, even when no tenant asks for it", () => {
  const bad = spanMetrics("histogram_buckets: [2, 1]");
  expect(loadError(main(bad, ""))).toBe(
    "cannot start with the configuration of /etc/tempo.yaml:\n  line 4: metrics_generator.processor.span_metrics.histogram_buckets must be rising",
  );
  expect(loadError(main("", bad))).toContain(
    "\n  line 7: overrides.defaults.metrics_generator.processor.span_metrics.histogram_buckets must be rising",
  );
});

test.each([
  ["collection_interval: 14s", "collection_interval must be 0 or 15s to 5m"],
  ["collection_interval: 301s", "collection_interval must be 0 or 15s to 5m"],
  ["ingestion_time_range_slack: 13h", "ingestion_time_range_slack must be 12h at most"],
  ["native_histogram_bucket_factor: 1", "native_histogram_bucket_factor must be greater than 1"],
  ["generate_native_histograms: maybe", "`maybe` is not one of"],
  ["span_name_sanitization: maybe", "`maybe` is not one of"],
  ["max_active_series: -1", "-1 is not between 0 and"],
  ["remote_write_headers: { 'a b': c }", "remote_write_headers: a b is no name of a header"],
  [
    'remote_write_headers: { a: "b\\nc" }',
    "remote_write_headers: a has a value that cannot be sent",
  ],
  ["remote_write_headers: { Content-Type: c }", "Content-Type cannot be set"],
  [spanMetrics("dimension_mappings: [{ name: http_url }]"), "of the dimension http.url"],
  [spanMetrics("filter_policies: [{}]"), "a policy needs one of include, include_any, exclude"],
  [spanMetrics("wait: 5s"), "field wait not found"],
])("the override %s is refused, for all and for one", (keys, message) => {
  const generator = spanMetrics("dimensions: [http.url]");
  expect(loadError(main(generator, keys))).toContain(message);
  const tenants = `overrides: { a: { metrics_generator: { ${keys} } } }`;
  const error = configError(() => withTenants(tenants, main(generator, "")));
  expect(error.message).toContain("failed to load per-tenant overrides /conf/overrides.yaml");
  expect(error.message).toContain("line 1: ");
  expect(error.message).toContain(message);
});

test("a broken reload keeps the generators of before", () => {
  const { overrides } = withTenants(
    "overrides: { a: { metrics_generator: { processors: [span-metrics] } } }",
  );
  const before = overrides.limitsFor("a").generator;
  const broken = "overrides: { a: { metrics_generator: { collection_interval: 1s } } }";
  expect(() => overrides.reload(broken)).toThrow("must be 0 or 15s to 5m");
  expect(overrides.limitsFor("a").generator).toBe(before);
});

test("names of filter policies are shown, headers of tenants are not", () => {
  const policy = "{ include: { match_type: strict, attributes: [{ key: span.shown, value: 5 }] } }";
  const config = load(
    main(
      spanMetrics(`filter_policies: [${policy}]`),
      "remote_write_headers: { Authorization: hush }",
    ),
  );
  expect(renderConfig(config, "diff")).toContain("key: span.shown");
  expect(renderConfig(config, undefined)).not.toContain("hush");
});
