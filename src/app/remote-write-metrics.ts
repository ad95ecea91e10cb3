import type {
  RemoteWriter,
  WriteBatch,
  WriteOutcome,
} from "../drivers/remote-write/remote-writer.ts";
import { shownUrl } from "../drivers/remote-write/remote-writer.ts";
import type { RemoteWriteSettings } from "../drivers/remote-write/settings.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";

const LABELS = ["tenant", "remote_name", "url"] as const;

const COUNTERS: Readonly<Record<WriteOutcome, { readonly suffix: string; readonly help: string }>> =
  {
    sent: { suffix: "_total", help: "that an endpoint has taken" },
    failed: { suffix: "_failed_total", help: "that an endpoint refused" },
    dropped: { suffix: "_dropped_total", help: "that were given up while they waited" },
    retried: { suffix: "_retried_total", help: "that had to be sent again" },
  };

/** Metrics of remote write under Prometheus' names. */
export function remoteWriteMetrics(registry: MetricRegistry) {
  const counter = (what: string, outcome: WriteOutcome) =>
    registry.counter({
      name: `prometheus_remote_storage_${what}${COUNTERS[outcome].suffix}`,
      help: `${what === "samples" ? "Samples" : "Exemplars"} ${COUNTERS[outcome].help}.`,
      labels: LABELS,
    });
  return {
    onOutcome(settings: RemoteWriteSettings, outcome: WriteOutcome, batch: WriteBatch): void {
      const labels = { tenant: batch.tenant, ...labelsOf(settings) };
      counter("samples", outcome).inc(labels, batch.sampleCount);
      counter("exemplars", outcome).inc(labels, batch.exemplarCount);
    },
    registerPending(writers: readonly RemoteWriter[]): void {
      const pending = registry.gauge({
        name: "prometheus_remote_storage_samples_pending",
        help: "Samples that are not sent yet.",
        labels: LABELS,
      });
      registry.onCollect(() => {
        pending.reset();
        for (const writer of writers) {
          for (const [tenant, samples] of writer.pendingSamples()) {
            pending.set({ tenant, ...labelsOf(writer.settings) }, samples);
          }
        }
      });
    },
  };
}

function labelsOf({ name, url }: RemoteWriteSettings) {
  return { remote_name: name, url: shownUrl(url) };
}
