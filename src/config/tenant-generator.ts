import type {
  FilterPolicy,
  HostInfoSettings,
  MultiplierSettings,
  ServiceGraphSettings,
  SpanMetricsSettings,
  TenantGeneratorSettings,
} from "../metrics-generator/settings.ts";
import type { ConfigValues } from "./config-values.ts";
import { dimensionMappings } from "./dimension-mappings.ts";
import { filterPolicies } from "./filter-policies.ts";
import { headerProblem } from "./http-headers.ts";
import { SPAN_METRICS_BUCKETS } from "./keys/metrics-generator.ts";
import { MAX_ITEMS, type Place } from "./place.ts";
import type { Processors } from "./processors.ts";

/** Values of `metrics_generator` or of somebody's overrides: both have the same paths for the same. */
export type GeneratorSource = {
  readonly values: ConfigValues;
  /** What stands before their paths in errors, with its dot. */
  readonly prefix: string;
};

const GENERATOR = "metrics_generator";
const SERVICE_GRAPHS = `${GENERATOR}.processor.service_graphs`;
const SPAN_METRICS = `${GENERATOR}.processor.span_metrics`;
const HOST_INFO = `${GENERATOR}.processor.host_info`;

const INTERVAL_MS = { min: 15_000, max: 300_000 };
const MAX_SLACK_MS = 12 * 3_600_000;
const MAX_HEADERS = 100;

/**
 * What is derived from a tenant's spans: `own` where it says something, else `globals`. Undefined
 * when no processor is asked for. `report` is told what is wrong, with line and key, even then.
 */
export function tenantGenerator(
  known: Processors["known"],
  own: GeneratorSource,
  globals: GeneratorSource,
  report: (problem: string) => void,
): TenantGeneratorSettings | undefined {
  const read = new Layers(own, globals, report);
  checkOverrides(own, read);
  const settings: TenantGeneratorSettings = {
    spanMetrics: spanMetrics(known, read),
    serviceGraphs: serviceGraphs(known, read),
    hostInfo: hostInfo(known, read),
    slackMs:
      own.values.durationMs(`${GENERATOR}.ingestion_time_range_slack`) ||
      globals.values.durationMs(`${GENERATOR}.metrics_ingestion_time_range_slack`),
    maxActiveSeries: own.values.number(`${GENERATOR}.max_active_series`),
    collectionIntervalMs:
      own.values.durationMs(`${GENERATOR}.collection_interval`) ||
      globals.values.durationMs(`${GENERATOR}.registry.collection_interval`),
    collectionDisabled: own.values.bool(`${GENERATOR}.disable_collection`),
    traceIdLabel: own.values.text(`${GENERATOR}.trace_id_label_name`) || "traceID",
    remoteWriteHeaders: own.values.map(`${GENERATOR}.remote_write_headers`),
  };
  return known.size === 0 ? undefined : settings;
}

function spanMetrics(known: Processors["known"], read: Layers): SpanMetricsSettings | undefined {
  const whole = known.has("span-metrics");
  const [calls, latency, size] = (["count", "latency", "size"] as const).map(
    (name) => whole || known.has(`span-metrics-${name}`),
  );
  const dimension = (name: string) => read.bool(`${SPAN_METRICS}.intrinsic_dimensions.${name}`);
  const dimensions = read.names(`${SPAN_METRICS}.dimensions`);
  const buckets = read.buckets(`${SPAN_METRICS}.histogram_buckets`);
  const mappings = `${SPAN_METRICS}.dimension_mappings`;
  const settings: SpanMetricsSettings = {
    calls: calls === true,
    latency: latency === true,
    size: size === true,
    // As in Tempo: a part of the span metrics alone has the usual buckets.
    histogramBuckets: whole ? buckets : SPAN_METRICS_BUCKETS,
    intrinsicDimensions: {
      service: dimension("service"),
      spanName: dimension("span_name"),
      spanKind: dimension("span_kind"),
      statusCode: dimension("status_code"),
      statusMessage: dimension("status_message"),
    },
    dimensions,
    dimensionMappings: dimensionMappings(read.node(mappings), dimensions, read.place(mappings)),
    targetInfo: read.bool(`${SPAN_METRICS}.enable_target_info`),
    targetInfoExcluded: read.names(`${SPAN_METRICS}.target_info_excluded_dimensions`),
    instanceLabel: read.bool(`${SPAN_METRICS}.enable_instance_label`),
    multiplier: read.multiplier(SPAN_METRICS),
    filterPolicies: read.policies(SPAN_METRICS),
  };
  return settings.calls || settings.latency || settings.size ? settings : undefined;
}

function serviceGraphs(known: Processors["known"], read: Layers): ServiceGraphSettings | undefined {
  const settings: ServiceGraphSettings = {
    waitMs: read.globals.durationMs(`${SERVICE_GRAPHS}.wait`),
    maxItems: read.globals.number(`${SERVICE_GRAPHS}.max_items`),
    histogramBuckets: read.buckets(`${SERVICE_GRAPHS}.histogram_buckets`),
    dimensions: read.names(`${SERVICE_GRAPHS}.dimensions`),
    clientServerPrefix: read.bool(`${SERVICE_GRAPHS}.enable_client_server_prefix`),
    messagingSystemLatency: read.bool(
      `${SERVICE_GRAPHS}.enable_messaging_system_latency_histogram`,
    ),
    peerAttributes: read.names(`${SERVICE_GRAPHS}.peer_attributes`),
    databaseNameAttributes: read.globals
      .list(`${SERVICE_GRAPHS}.database_name_attributes`)
      .filter((name) => name !== ""),
    virtualNodeLabel: read.bool(`${SERVICE_GRAPHS}.enable_virtual_node_label`),
    multiplier: read.multiplier(SERVICE_GRAPHS),
    filterPolicies: read.policies(SERVICE_GRAPHS),
  };
  return known.has("service-graphs") ? settings : undefined;
}

function hostInfo(known: Processors["known"], read: Layers): HostInfoSettings | undefined {
  const settings: HostInfoSettings = {
    hostIdentifiers: read.names(`${HOST_INFO}.host_identifiers`),
    metricName: read.text(`${HOST_INFO}.metric_name`),
  };
  return known.has("host-info") ? settings : undefined;
}

/** What only overrides have. */
function checkOverrides({ values }: GeneratorSource, read: Layers): void {
  const interval = `${GENERATOR}.collection_interval`;
  const intervalMs = values.durationMs(interval);
  if (intervalMs !== 0 && (intervalMs < INTERVAL_MS.min || intervalMs > INTERVAL_MS.max)) {
    read.wrong(interval, "must be 0 or 15s to 5m");
  }
  const slack = `${GENERATOR}.ingestion_time_range_slack`;
  if (values.durationMs(slack) > MAX_SLACK_MS) read.wrong(slack, "must be 12h at most");
  const factor = `${GENERATOR}.native_histogram_bucket_factor`;
  const given = values.number(factor);
  if (given !== 0 && given <= 1) read.wrong(factor, "must be greater than 1");
  const path = `${GENERATOR}.remote_write_headers`;
  const headers = Object.entries(values.map(path));
  if (headers.length > MAX_HEADERS) {
    read.wrong(path, `has ${headers.length} headers, the limit is ${MAX_HEADERS}`);
  }
  for (const [name, value] of headers) {
    const problem = headerProblem(name, value);
    if (problem !== undefined) read.wrong(path, `: ${problem}`);
  }
}

/** Reads what both sources may say. */
class Layers {
  readonly globals: ConfigValues;
  readonly #own: GeneratorSource;
  readonly #globals: GeneratorSource;
  readonly #report: (problem: string) => void;

  constructor(own: GeneratorSource, globals: GeneratorSource, report: (problem: string) => void) {
    this.globals = globals.values;
    this.#own = own;
    this.#globals = globals;
    this.#report = report;
  }

  bool(path: string): boolean {
    return this.#source(path).values.bool(path);
  }

  /** An empty text says nothing. */
  text(path: string): string {
    const own = this.#own.values.isSet(path) ? this.#own.values.text(path) : "";
    return own || this.#globals.values.text(path);
  }

  names(path: string): readonly string[] {
    const names = this.#source(path)
      .values.list(path)
      .filter((name) => name !== "");
    if (names.length > MAX_ITEMS) {
      this.wrong(path, `has ${names.length} names, the limit is ${MAX_ITEMS}`);
    }
    return names;
  }

  buckets(path: string): readonly number[] {
    const buckets = this.#source(path).values.numbers(path);
    if (buckets.length === 0 || buckets.length > MAX_ITEMS) {
      this.wrong(path, `has ${buckets.length} buckets, not 1 to ${MAX_ITEMS}`);
    }
    if (buckets.some((bound, i) => i > 0 && bound <= buckets[i - 1]!)) {
      this.wrong(path, "must be rising");
    }
    return buckets;
  }

  multiplier(block: string): MultiplierSettings {
    return {
      key: this.text(`${block}.span_multiplier_key`),
      fromTraceState: this.bool(`${block}.enable_tracestate_span_multiplier`),
    };
  }

  policies(block: string): readonly FilterPolicy[] {
    const path = `${block}.filter_policies`;
    return filterPolicies(this.node(path), this.place(path));
  }

  node(path: string) {
    return this.#source(path).values.decoded(path)?.node;
  }

  place(path: string): Place {
    return { path: `${this.#source(path).prefix}${path}`, report: this.#report };
  }

  wrong(path: string, problem: string): void {
    const { values, prefix } = this.#source(path);
    const line = values.decoded(path)?.line ?? 0;
    const blank = problem.startsWith(":") ? "" : " ";
    this.#report(`${line > 0 ? `line ${line}: ` : ""}${prefix}${path}${blank}${problem}`);
  }

  #source(path: string): GeneratorSource {
    return this.#own.values.isSet(path) ? this.#own : this.#globals;
  }
}
