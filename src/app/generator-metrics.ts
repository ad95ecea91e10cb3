import type { TenantFigures } from "../metrics-generator/tenant-metrics.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";

const PREFIX = "tempo_metrics_generator_";
/** As Tempo has them; it names the parts of span metrics too, which are never active by themselves. */
const PROCESSORS: readonly string[] = [
  ...["service-graphs", "span-metrics", "span-metrics-latency", "span-metrics-count"],
  ...["span-metrics-size", "host-info"],
];

/** Metrics about the metrics that are derived from spans, under Tempo's names. */
export function generatorMetrics(
  registry: MetricRegistry,
): (tenants: ReadonlyMap<string, TenantFigures>) => void {
  const counters = new GrowingCounters(registry);
  const active = registry.gauge({
    name: `${PREFIX}active_processors`,
    help: "Whether the processor runs for the tenant.",
    labels: ["tenant", "processor"],
  });
  const series = registry.gauge({
    name: `${PREFIX}registry_active_series`,
    help: "Series of the tenant's derived metrics.",
    labels: ["tenant"],
  });
  const maxSeries = registry.gauge({
    name: `${PREFIX}registry_max_active_series`,
    help: "How many of them there may be; 0 = no limit.",
    labels: ["tenant"],
  });
  return (tenants) => {
    for (const gauge of [active, series, maxSeries]) gauge.reset();
    for (const [tenant, figures] of tenants) {
      const running = new Set<string>(figures.processors.map(({ name }) => name));
      for (const processor of PROCESSORS) {
        active.set({ tenant, processor }, running.has(processor) ? 1 : 0);
      }
      series.set({ tenant }, figures.series.active);
      maxSeries.set({ tenant }, figures.series.max);
      countTenant(counters, tenant, figures);
    }
    counters.keep(tenants);
  };
}

function countTenant(counters: GrowingCounters, tenant: string, figures: TenantFigures): void {
  const count = (name: string, help: string, total: number) =>
    counters.set({ name: PREFIX + name, help, labels: { tenant } }, total);
  const discarded = (reason: string, processor: string, total: number) =>
    counters.set(
      {
        name: `${PREFIX}spans_discarded_total`,
        help: "Spans that no metrics were made of.",
        labels: { tenant, reason, processor },
      },
      total,
    );
  count("spans_received_total", "Spans of tenants with derived metrics.", figures.spansReceived);
  count("bytes_received_total", "Their size as OTLP.", figures.bytesReceived);
  count(
    "metrics_generation_skipped_processor_pushes_total",
    "Pushes whose sender asked for no metrics.",
    figures.pushesSkipped,
  );
  discarded("outside_metrics_ingestion_slack", "all", figures.outsideSlack);
  for (const { name, filtered } of figures.processors) {
    if (filtered !== undefined) discarded(`${name.replace("-", "_")}_filtered`, name, filtered);
  }
  const { added, removed, limited } = figures.series;
  count("registry_series_added_total", "Series that were new.", added);
  count("registry_series_removed_total", "Series that were forgotten.", removed);
  count("registry_series_limited_total", "Series that were one too many.", limited);
  count("registry_collections_total", "Times that samples were taken.", figures.collections);
  const graphs = figures.serviceGraphs;
  if (graphs === undefined) return;
  const graph = (name: string, help: string, total: number) =>
    count(`processor_service_graphs_${name}`, help, total);
  graph("edges", "Edges that began.", graphs.edges);
  graph("expired_edges", "Edges of which one side never came.", graphs.expiredEdges);
  graph("dropped_spans", "Spans for which no edge had room.", graphs.droppedSpans);
  graph("dropped_edges_total", "Edges of which one side was filtered out.", graphs.droppedEdges);
  graph(
    "dropped_span_side_cache_overflow_total",
    "Filtered spans that there was no room to remember.",
    graphs.leftOutOverflow,
  );
}

type Counted = {
  readonly name: string;
  readonly help: string;
  readonly labels: Readonly<Record<string, string>> & { readonly tenant: string };
};

/** Counters of totals that are kept elsewhere, where they may begin anew. */
class GrowingCounters {
  readonly #registry: MetricRegistry;
  /** By tenant, then by metric and labels. */
  readonly #seen = new Map<string, Map<string, number>>();

  constructor(registry: MetricRegistry) {
    this.#registry = registry;
  }

  set({ name, help, labels }: Counted, total: number): void {
    const ofTenant = this.#seen.get(labels.tenant) ?? new Map<string, number>();
    this.#seen.set(labels.tenant, ofTenant);
    const key = JSON.stringify([name, labels]);
    const seen = ofTenant.get(key) ?? 0;
    ofTenant.set(key, total);
    const names = Object.keys(labels);
    // With other settings a tenant's figures start from zero.
    const by = total < seen ? total : total - seen;
    this.#registry.counter({ name, help, labels: names }).inc(labels, by);
  }

  /** Forgets what was seen of other tenants. */
  keep(tenants: ReadonlyMap<string, unknown>): void {
    for (const tenant of this.#seen.keys()) if (!tenants.has(tenant)) this.#seen.delete(tenant);
  }
}
