import { Budget } from "../../src/metrics-generator/budget.ts";
import type {
  HostInfoSettings,
  ServiceGraphSettings,
  SpanMetricsSettings,
  TenantGeneratorSettings,
} from "../../src/metrics-generator/settings.ts";
import type {
  ReceivedSpans,
  SharedSettings,
  TenantMetrics,
} from "../../src/metrics-generator/tenant-metrics.ts";

const multiplier = { key: "", fromTraceState: false };

export function spanMetrics(over: Partial<SpanMetricsSettings> = {}): SpanMetricsSettings {
  return {
    calls: true,
    latency: true,
    size: true,
    histogramBuckets: [0.1, 1],
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
    multiplier,
    filterPolicies: [],
    ...over,
  };
}

export function serviceGraphs(over: Partial<ServiceGraphSettings> = {}): ServiceGraphSettings {
  return {
    waitMs: 10_000,
    maxItems: 10_000,
    histogramBuckets: [0.1, 1],
    dimensions: [],
    clientServerPrefix: false,
    messagingSystemLatency: false,
    peerAttributes: ["peer.service", "db.name", "db.system"],
    databaseNameAttributes: ["db.namespace", "db.name", "db.system"],
    virtualNodeLabel: false,
    multiplier,
    filterPolicies: [],
    ...over,
  };
}

export function hostInfo(over: Partial<HostInfoSettings> = {}): HostInfoSettings {
  return {
    hostIdentifiers: ["k8s.node.name", "host.id"],
    metricName: "traces_host_info",
    ...over,
  };
}

export function tenantSettings(
  over: Partial<TenantGeneratorSettings> = {},
): TenantGeneratorSettings {
  return {
    spanMetrics: undefined,
    serviceGraphs: undefined,
    hostInfo: undefined,
    slackMs: 30_000,
    maxActiveSeries: 0,
    collectionIntervalMs: 15_000,
    collectionDisabled: false,
    traceIdLabel: "traceID",
    remoteWriteHeaders: {},
    ...over,
  };
}

const SHARED: SharedSettings = {
  staleMs: 900_000,
  externalLabels: {},
  tenantLabel: "",
  maxLabelNameBytes: 1024,
  maxLabelValueBytes: 2048,
  instance: "edge-1",
  maxSamplesPerSend: 2000,
};

export const PARTS = {
  shared: SHARED,
  budgets: { series: new Budget(1_000_000), edges: new Budget(1_000_000) },
};

/** All steps at once. */
export function observe(
  metrics: TenantMetrics,
  { batch, skipped = [], bytes = 0 }: Partial<ReceivedSpans> & Pick<ReceivedSpans, "batch">,
  nowMs: number,
): void {
  for (const _ of metrics.observe({ batch, skipped, bytes }, nowMs));
}
