import { openGroupMember } from "../../../src/drivers/kafka/open-group-member.ts";
import { PintailError } from "../../../src/errors.ts";
import type { Ingest, PushRequest, PushResult } from "../../../src/ingest/ingest.ts";
import { type KafkaReceiver, startKafkaReceiver } from "../../../src/receivers/kafka/receiver.ts";
import type { KafkaReceiverSettings } from "../../../src/receivers/kafka/settings.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { MetricRegistry } from "../../../src/telemetry/metrics.ts";
import type { KafkaMessage } from "../../support/kafka-cluster.ts";

/** Takes bodies as texts. `failure` says what a push fails with. */
export class LedgerIngest implements Ingest {
  readonly stored: string[] = [];
  failure: (text: string) => Error | undefined = () => undefined;
  pushes = 0;
  running = 0;
  mostRunning = 0;
  /** Until it resolves pushes wait. */
  gate: Promise<void> = Promise.resolve();

  async push(request: PushRequest): Promise<PushResult> {
    this.pushes++;
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      const text = new TextDecoder().decode(request.body);
      await this.gate;
      const failure = this.failure(text);
      if (failure !== undefined) throw failure;
      this.stored.push(text);
      return { spanCount: 1, decodedBytes: request.body.length };
    } finally {
      this.running--;
    }
  }
}

export const busy = (retryAfterMs = 0): PintailError =>
  new PintailError("unavailable", "busy", { retryAfterMs });

export type Started = {
  readonly receiver: KafkaReceiver;
  readonly ingest: LedgerIngest;
  /** The value of a metric's first sample. */
  metric(name: string): number;
  readonly logged: string[];
};

export function startReceiver(
  broker: string,
  topics: readonly string[],
  over: Partial<KafkaReceiverSettings> = {},
  ingest = new LedgerIngest(),
): Started {
  const metrics = new MetricRegistry();
  const logged: string[] = [];
  const settings: KafkaReceiverSettings = {
    name: "kafka",
    client: {
      brokers: [broker],
      clientId: "c",
      groupId: "g",
      sessionTimeoutMs: 3000,
      heartbeatIntervalMs: 300,
      assignor: "cooperative-sticky",
      sasl: undefined,
      tls: undefined,
    },
    topics,
    excludeTopics: [],
    encoding: "otlp_proto",
    initialOffset: "earliest",
    minFetchBytes: 1,
    maxFetchBytes: 1024 * 1024,
    maxFetchWaitMs: 50,
    commitIntervalMs: 100,
    ...over,
  };
  const receiver = startKafkaReceiver(
    {
      ingest,
      deps: {
        multitenancyEnabled: false,
        metrics,
        log: createLogger(
          { level: "debug", format: "logfmt" },
          () => 0,
          (line) => logged.push(line),
        ),
        monotonicMs: () => performance.now(),
      },
      openMember: (events) => openGroupMember(settings.client, undefined, events),
    },
    settings,
  );
  const metric = (name: string): number => {
    const line = metrics
      .render()
      .split("\n")
      .find((each) => each.startsWith(`${name}{`));
    return Number(line?.split(" ").at(-1));
  };
  return { receiver, ingest, metric, logged };
}

/** `a-0`, `a-1`, … */
export function texts(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
}

export function messages(values: readonly string[], partitions = 1): KafkaMessage[] {
  return values.map((text, i) => ({
    value: new TextEncoder().encode(text),
    partition: i % partitions,
  }));
}

/** Waits until `check` holds. */
export async function until(what: string, check: () => unknown, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
