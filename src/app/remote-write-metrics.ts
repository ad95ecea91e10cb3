import { endpointLabels } from "../drivers/remote-write/endpoint-labels.ts";
import type { RemoteWriteMetrics, WriteCounts } from "../drivers/remote-write/metrics.ts";
import type { RemoteWriteSettings } from "../drivers/remote-write/settings.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";

const LABELS = ["remote_name", "url", "tenant"] as const;
/** Tenants times endpoints. */
const MAX_SERIES = 10_000;

/** One endpoint under Prometheus' names, as Tempo has them. */
export function remoteWriteMetrics(
  registry: MetricRegistry,
  settings: RemoteWriteSettings,
): RemoteWriteMetrics {
  const { remoteName, url } = endpointLabels(settings);
  const labelsOf = (tenant: string) => ({ remote_name: remoteName, url, tenant });
  const sent = pair(registry, "", "sent to remote storage");
  const failed = pair(registry, "_failed", "that remote storage refused");
  const dropped = pair(registry, "_dropped", "given up for want of room or time");
  const retried = pair(registry, "_retried", "sent another time, each time counted");
  const pending = registry.gauge({
    name: "prometheus_remote_storage_samples_pending",
    help: "Samples that are neither sent nor given up.",
    labels: LABELS,
    maxSeries: MAX_SERIES,
  });
  const settled = (count: Count) => (tenant: string, counts: WriteCounts) => {
    const labels = labelsOf(tenant);
    count(labels, counts);
    pending.add(labels, -counts.sampleCount);
  };
  return {
    queued(tenant, counts) {
      const labels = labelsOf(tenant);
      pending.add(labels, counts.sampleCount);
      // A rate needs the zero that a counter begins with.
      for (const count of [sent, failed, dropped, retried]) count(labels, NONE);
    },
    sent: settled(sent),
    failed: settled(failed),
    dropped: settled(dropped),
    retried: (tenant, counts) => retried(labelsOf(tenant), counts),
  };
}

type EndpointTenant = Readonly<Record<(typeof LABELS)[number], string>>;
type Count = (labels: EndpointTenant, counts: WriteCounts) => void;

const NONE: WriteCounts = { sampleCount: 0, exemplarCount: 0 };

/** Counts samples and exemplars alike. */
function pair(registry: MetricRegistry, suffix: string, what: string): Count {
  const counter = (things: "samples" | "exemplars") =>
    registry.counter({
      name: `prometheus_remote_storage_${things}${suffix}_total`,
      help: `${things === "samples" ? "Samples" : "Exemplars"} ${what}.`,
      labels: LABELS,
      maxSeries: MAX_SERIES,
    });
  const samples = counter("samples");
  const exemplars = counter("exemplars");
  return (labels, { sampleCount, exemplarCount }) => {
    samples.inc(labels, sampleCount);
    exemplars.inc(labels, exemplarCount);
  };
}
