import { AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { BatchAttributes } from "../batch-attributes.ts";
import type { ObserveRows, Processor } from "../processor.ts";
import type { InfoGauge } from "../registry/gauge.ts";
import type { MetricFamily } from "../registry/metric-family.ts";
import type { SeriesRegistry } from "../registry/series-registry.ts";
import type { HostInfoSettings } from "../settings.ts";

/** Which hosts send spans. */
export class HostInfo implements Processor {
  readonly name = "host-info";
  readonly #hostIdentifiers: readonly string[];
  readonly #registry: SeriesRegistry;
  readonly #hosts: MetricFamily<InfoGauge>;

  constructor(settings: HostInfoSettings, registry: SeriesRegistry) {
    this.#hostIdentifiers = [...new Set(settings.hostIdentifiers)];
    this.#registry = registry;
    this.#hosts = registry.infos(settings.metricName);
  }

  over(batch: SpanBatch, nowMs: number): ObserveRows {
    const attributes = new BatchAttributes(batch, this.#hostIdentifiers);
    const seen = new Set<number>();
    return (rows) => {
      for (const row of rows) {
        const resource = batch.resource[row]!;
        if (seen.has(resource)) continue;
        seen.add(resource);
        this.#tell(batch, attributes, resource, nowMs);
      }
    };
  }

  #tell(batch: SpanBatch, attributes: BatchAttributes, resource: number, nowMs: number): void {
    const { resourceAttributes: columns, strings } = batch;
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
      return;
    }
  }

  tick(): void {}
}
