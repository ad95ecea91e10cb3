import { AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { BatchAttributes } from "../batch-attributes.ts";
import type { Processor } from "../processor.ts";
import type { InfoGauge } from "../registry/gauge.ts";
import type { MetricFamily } from "../registry/metric-family.ts";
import type { SeriesRegistry } from "../registry/series-registry.ts";
import type { HostInfoSettings } from "../settings.ts";

/** Which hosts send spans. */
export class HostInfo implements Processor {
  readonly name = "host-info";
  readonly filtered = 0;
  readonly #hostIdentifiers: readonly string[];
  readonly #registry: SeriesRegistry;
  readonly #hosts: MetricFamily<InfoGauge>;

  constructor(settings: HostInfoSettings, registry: SeriesRegistry) {
    this.#hostIdentifiers = [...new Set(settings.hostIdentifiers)];
    this.#registry = registry;
    this.#hosts = registry.infos(settings.metricName);
  }

  observe(batch: SpanBatch, rows: Uint32Array, nowMs: number): void {
    const attributes = new BatchAttributes(batch, this.#hostIdentifiers);
    const resources = new Set<number>();
    for (const row of rows) resources.add(batch.resource[row]!);
    const { resourceAttributes: columns, strings } = batch;
    for (const resource of resources) {
      for (const [key, source] of this.#hostIdentifiers.entries()) {
        const entry = attributes.ofResource(resource, key);
        if (entry < 0 || columns.types[entry] !== AttributeType.string) continue;
        const host = strings.text(columns.values[2 * entry]!);
        if (host === "") continue;
        const labels = this.#registry.labels([
          ["grafana_host_id", host],
          ["host_source", source],
        ]);
        this.#hosts.of(labels, nowMs).updatedMs = nowMs;
        break;
      }
    }
  }

  tick(): void {}
}
