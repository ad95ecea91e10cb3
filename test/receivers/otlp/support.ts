import type { Ingest, PushRequest, PushResult } from "../../../src/ingest/ingest.ts";
import type { ReceiverDeps } from "../../../src/receivers/shared/push-outcome.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { MetricRegistry } from "../../../src/telemetry/metrics.ts";

/** Remembers what is pushed; answers with `result` or throws `failure`. */
export class FakeIngest implements Ingest {
  readonly pushes: PushRequest[] = [];
  result: PushResult = { spanCount: 2, decodedBytes: 100 };
  failure: unknown;

  async push(request: PushRequest): Promise<PushResult> {
    this.pushes.push(request);
    if (this.failure !== undefined) throw this.failure;
    return this.result;
  }
}

export function otlpDeps(multitenancyEnabled = false): ReceiverDeps {
  return {
    multitenancyEnabled,
    metrics: new MetricRegistry(),
    log: silentLogger,
    monotonicMs: () => 0,
  };
}
