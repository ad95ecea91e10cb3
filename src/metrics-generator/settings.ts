import type { RemoteWriteSettings } from "../drivers/remote-write/settings.ts";

/** What is derived from the spans of one tenant, by `metrics_generator` and its overrides. */
export type TenantGeneratorSettings = {
  /** Undefined: not asked for, as below. */
  readonly spanMetrics: SpanMetricsSettings | undefined;
  readonly serviceGraphs: ServiceGraphSettings | undefined;
  readonly hostInfo: HostInfoSettings | undefined;
  /** Spans that end further from now than this, before or after, are left out. */
  readonly slackMs: number;
  /** More series than this go into one with the label `metric_overflow`; 0 = no limit. */
  readonly maxActiveSeries: number;
  readonly collectionIntervalMs: number;
  /** Series are kept, and nothing is sent. */
  readonly collectionDisabled: boolean;
  /** Of exemplars. */
  readonly traceIdLabel: string;
  /** Sent beside the endpoint's own, and instead of them where both have a name. */
  readonly remoteWriteHeaders: Readonly<Record<string, string>>;
};

export type SpanMetricsSettings = {
  /** Which of the metrics are there. */
  readonly calls: boolean;
  readonly latency: boolean;
  readonly size: boolean;
  /** Upper bounds in seconds, rising; without +Inf. */
  readonly histogramBuckets: readonly number[];
  readonly intrinsicDimensions: {
    readonly service: boolean;
    readonly spanName: boolean;
    readonly spanKind: boolean;
    readonly statusCode: boolean;
    readonly statusMessage: boolean;
  };
  /** Attributes, of the resource before those of the span. */
  readonly dimensions: readonly string[];
  readonly dimensionMappings: readonly DimensionMapping[];
  readonly targetInfo: boolean;
  readonly targetInfoExcluded: readonly string[];
  readonly instanceLabel: boolean;
  readonly multiplier: MultiplierSettings;
  readonly filterPolicies: readonly FilterPolicy[];
};

/** A label of the values of some attributes, those that are not empty, with `join` between them. */
export type DimensionMapping = {
  readonly name: string;
  readonly sourceLabels: readonly string[];
  readonly join: string;
};

export type ServiceGraphSettings = {
  /** How long a span waits for its counterpart. */
  readonly waitMs: number;
  /** Edges that wait; further spans are dropped. */
  readonly maxItems: number;
  /** Upper bounds in seconds, rising; without +Inf. */
  readonly histogramBuckets: readonly number[];
  readonly dimensions: readonly string[];
  readonly clientServerPrefix: boolean;
  readonly messagingSystemLatency: boolean;
  readonly peerAttributes: readonly string[];
  readonly databaseNameAttributes: readonly string[];
  readonly virtualNodeLabel: boolean;
  readonly multiplier: MultiplierSettings;
  readonly filterPolicies: readonly FilterPolicy[];
};

export type HostInfoSettings = {
  readonly hostIdentifiers: readonly string[];
  readonly metricName: string;
};

/** For how many spans one span stands. */
export type MultiplierSettings = {
  /** An attribute of doubles whose reciprocal it is; '' = none. */
  readonly key: string;
  /** The sampling threshold in the trace state wins. */
  readonly fromTraceState: boolean;
};

export type FilterPolicy = {
  readonly include: PolicyMatch | undefined;
  readonly includeAny: PolicyMatch | undefined;
  readonly exclude: PolicyMatch | undefined;
};

export type PolicyMatch = {
  readonly type: "strict" | "regex";
  /** Each key once: the first of those that the file gives. */
  readonly attributes: readonly PolicyAttribute[];
};

export type PolicyAttribute = {
  readonly of: "kind" | "name" | "status" | "resource" | "span";
  /** Of the attribute; '' for the others. */
  readonly key: string;
  /** A regular expression as text; of a kind or a status the name, such as `SPAN_KIND_SERVER`. */
  readonly value: string | bigint | number | boolean;
};

/** What all tenants share. */
export type GeneratorSettings = {
  /** Series that were not updated for so long are forgotten. */
  readonly staleMs: number;
  readonly externalLabels: Readonly<Record<string, string>>;
  /** Name of a label with the tenant; '' = none. */
  readonly tenantLabel: string;
  readonly maxLabelNameBytes: number;
  readonly maxLabelValueBytes: number;
  /** Where the series go; nowhere when there is none. */
  readonly remoteWrite: readonly RemoteWriteSettings[];
  /** How long the last samples may take when Pintail stops. */
  readonly flushDeadlineMs: number;
  /** Whether a header names the tenant. */
  readonly addOrgIdHeader: boolean;
};
