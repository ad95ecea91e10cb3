import { RefusedError } from "../../ingest/ingest.ts";
import { mapError } from "../../server/error-map.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { rateLimited } from "../../telemetry/logger.ts";
import type { MetricRegistry } from "../../telemetry/metrics.ts";

/** What every receiver needs beside the way in. */
export type ReceiverDeps = {
  readonly multitenancyEnabled: boolean;
  readonly metrics: MetricRegistry;
  readonly log: Logger;
  readonly monotonicMs: () => number;
};

/** Labels of `tempo_receiver_*`, with the Collector's values. */
export type ReceiverLabels = { readonly receiver: string; readonly transport: string };

/** Counts and logs what becomes of pushes. */
export interface PushOutcome {
  accepted(spanCount: number): void;
  refused(error: unknown): void;
}

/** Senders repeat what was refused, so one record in this time is enough. */
const WARNING_INTERVAL_MS = 10_000;

export function pushOutcome(labels: ReceiverLabels, deps: ReceiverDeps): PushOutcome {
  const accepted = deps.metrics.counter({
    name: "tempo_receiver_accepted_spans",
    help: "Number of spans successfully pushed into the pipeline.",
    labels: ["receiver", "transport"],
  });
  const refused = deps.metrics.counter({
    name: "tempo_receiver_refused_spans",
    help: "Number of spans that could not be pushed into the pipeline.",
    labels: ["receiver", "transport"],
  });
  refused.inc(labels, 0);
  const requests = deps.metrics.counter({
    name: "pintail_receiver_refused_requests_total",
    help: "Number of requests that could not be pushed into the pipeline, by gRPC code.",
    labels: ["receiver", "transport", "code"],
  });
  accepted.inc(labels, 0);
  const warn = rateLimited(deps.log.warn, WARNING_INTERVAL_MS, deps.monotonicMs);
  return {
    accepted(spanCount) {
      accepted.inc(labels, spanCount);
    },
    refused(error) {
      const { status, unexpected } = mapError(error);
      // Requests that were not decoded at all (a full disk, no tenant) are in the counter below only.
      if (error instanceof RefusedError) refused.inc(labels, error.spanCount);
      requests.inc({ ...labels, code: String(status.push.rpc) });
      if (unexpected) deps.log.error("push failed", { ...labels, error });
      else warn("push refused", { ...labels, error });
    },
  };
}
