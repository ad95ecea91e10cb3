import type { Counter } from "../registry/counter.ts";
import type { Histogram } from "../registry/histogram.ts";
import type { Label, LabelSet } from "../registry/label-set.ts";
import type { MetricFamily } from "../registry/metric-family.ts";
import type { SeriesRegistry } from "../registry/series-registry.ts";
import type { ServiceGraphSettings } from "../settings.ts";
import type { Edge } from "./edge.ts";

const PREFIX = "traces_service_graph_request_";

/** What every edge with the same labels counts in. */
type Series = {
  readonly labels: LabelSet;
  readonly total: Counter;
  readonly server: Histogram;
  readonly client: Histogram;
};

/** The series of edges. */
export class EdgeMetrics {
  /** By labels as they are put together. */
  readonly #recent = new Map<string, Series>();
  readonly #registry: SeriesRegistry;
  readonly #virtualNodeLabel: boolean;
  readonly #total: MetricFamily<Counter>;
  readonly #failed: MetricFamily<Counter>;
  readonly #server: MetricFamily<Histogram>;
  readonly #client: MetricFamily<Histogram>;
  readonly #messaging: MetricFamily<Histogram> | undefined;

  constructor(settings: ServiceGraphSettings, registry: SeriesRegistry) {
    const { histogramBuckets, messagingSystemLatency, virtualNodeLabel } = settings;
    const seconds = (side: string) =>
      registry.histograms(`${PREFIX}${side}_seconds`, histogramBuckets);
    this.#registry = registry;
    this.#virtualNodeLabel = virtualNodeLabel;
    this.#total = registry.counters(`${PREFIX}total`);
    this.#failed = registry.counters(`${PREFIX}failed_total`);
    this.#server = seconds("server");
    this.#client = seconds("client");
    this.#messaging = messagingSystemLatency ? seconds("messaging_system") : undefined;
  }

  /** `virtual`: the side that nothing was received of. */
  count(edge: Edge, virtual: "client" | "server" | undefined, nowMs: number): void {
    const { client, server, connectionType, weight, traceId } = edge;
    const pairs: Label[] = [
      ["client", client],
      ["server", server],
      ["connection_type", connectionType],
      ...edge.dimensions,
    ];
    if (this.#virtualNodeLabel && virtual !== undefined) pairs.push(["virtual_node", virtual]);
    const series = this.#seriesOf(pairs, nowMs);
    series.total.add(weight, nowMs);
    if (edge.failed) this.#failed.of(series.labels, nowMs).add(weight, nowMs);
    series.server.observe(edge.serverSeconds, weight, traceId, 0, nowMs);
    series.client.observe(edge.clientSeconds, weight, traceId, 0, nowMs);
    const { sentUnixNano, receivedUnixNano } = edge;
    if (this.#messaging === undefined || connectionType !== "messaging_system") return;
    if (sentUnixNano === undefined || receivedUnixNano === undefined) return;
    const underWay = Number(receivedUnixNano - sentUnixNano) / 1e9;
    if (underWay <= 0) return;
    this.#messaging.of(series.labels, nowMs).observe(underWay, weight, traceId, 0, nowMs);
  }

  /** To be called more often than series are forgotten. */
  forget(): void {
    this.#recent.clear();
  }

  #seriesOf(pairs: readonly Label[], nowMs: number): Series {
    let key = "";
    for (const [name, value] of pairs) key += `${name}=${value.length}:${value}`;
    let series = this.#recent.get(key);
    if (series === undefined) {
      const labels = this.#registry.labels(pairs);
      series = {
        labels,
        total: this.#total.of(labels, nowMs),
        server: this.#server.of(labels, nowMs),
        client: this.#client.of(labels, nowMs),
      };
      this.#recent.set(key, series);
    }
    return series;
  }
}
