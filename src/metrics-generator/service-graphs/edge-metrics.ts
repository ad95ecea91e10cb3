import type { Counter } from "../registry/counter.ts";
import type { Histogram } from "../registry/histogram.ts";
import type { Label } from "../registry/label-set.ts";
import type { MetricFamily } from "../registry/metric-family.ts";
import type { SeriesRegistry } from "../registry/series-registry.ts";
import type { ServiceGraphSettings } from "../settings.ts";
import type { Edge } from "./edge.ts";

const PREFIX = "traces_service_graph_request_";

/** The series of edges. */
export class EdgeMetrics {
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
    const labels = this.#registry.labels(pairs);
    this.#total.of(labels, nowMs).add(weight, nowMs);
    if (edge.failed) this.#failed.of(labels, nowMs).add(weight, nowMs);
    const observe = (histograms: MetricFamily<Histogram>, seconds: number): void => {
      histograms.of(labels, nowMs).observe(seconds, weight, traceId, 0, nowMs);
    };
    observe(this.#server, edge.serverSeconds);
    observe(this.#client, edge.clientSeconds);
    const { sentUnixNano, receivedUnixNano } = edge;
    if (this.#messaging === undefined || connectionType !== "messaging_system") return;
    if (sentUnixNano === undefined || receivedUnixNano === undefined) return;
    const underWay = Number(receivedUnixNano - sentUnixNano) / 1e9;
    if (underWay > 0) observe(this.#messaging, underWay);
  }
}
