import { create, toBinary } from "@bufbuild/protobuf";
import { WriteRequestSchema } from "../../../gen/prometheus/remote_pb.ts";
import type { WriteBatch } from "../../../src/drivers/remote-write/batch-queue.ts";
import type { RemoteWriteMetrics } from "../../../src/drivers/remote-write/metrics.ts";
import {
  type RemoteWriteParts,
  RemoteWriter,
} from "../../../src/drivers/remote-write/remote-writer.ts";
import type {
  RemoteWriteQueue,
  RemoteWriteSettings,
} from "../../../src/drivers/remote-write/settings.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { sleep } from "../../../src/util/sleep.ts";
import {
  type RemoteWriteSink,
  type SinkRequest,
  type SinkRule,
  startRemoteWriteSink,
} from "../../support/remote-write-sink.ts";

const QUEUE: RemoteWriteQueue = {
  maxSamples: 1000,
  maxShards: 4,
  maxSamplesPerSend: 2000,
  minBackoffMs: 10,
  maxBackoffMs: 40,
  retryOnRateLimit: false,
};

export type SomeSettings = Partial<Omit<RemoteWriteSettings, "queue">> & {
  readonly queue?: Partial<RemoteWriteQueue>;
};

export function someSettings(url: string, { queue, ...others }: SomeSettings = {}) {
  const settings: RemoteWriteSettings = {
    url,
    name: "far",
    timeoutMs: 5000,
    headers: {},
    auth: undefined,
    tls: undefined,
    ...others,
    queue: { ...QUEUE, ...queue },
  };
  return settings;
}

export function aBatch(
  tenant: string,
  value: number,
  others: Partial<WriteBatch> = {},
): WriteBatch {
  const request = create(WriteRequestSchema, {
    timeseries: [
      {
        labels: [{ name: "__name__", value: "calls" }],
        samples: [{ value, timestamp: 1_700_000_000_000n }],
      },
    ],
  });
  return {
    tenant,
    headers: { "X-Scope-OrgID": tenant },
    body: toBinary(WriteRequestSchema, request),
    sampleCount: 1,
    exemplarCount: 0,
    ...others,
  };
}

/** Tenant and value of each request. */
export function arrivals(requests: readonly SinkRequest[]): (readonly [unknown, unknown])[] {
  return requests.map(({ headers, request }) => [
    headers["x-scope-orgid"],
    request.timeseries[0]?.samples[0]?.value,
  ]);
}

export type Event = readonly [keyof RemoteWriteMetrics, string, number];

/** Endpoints, writers and what these told, given back by `closeAll`. */
export class Writers {
  readonly #closers: (() => unknown)[] = [];
  readonly events: Event[] = [];
  readonly logs: Record<string, unknown>[] = [];

  async sink(
    rule?: SinkRule,
    options?: Parameters<typeof startRemoteWriteSink>[1],
  ): Promise<RemoteWriteSink> {
    const sink = await startRemoteWriteSink(rule, options);
    this.#closers.push(() => sink.close());
    return sink;
  }

  async open(
    url: string,
    settings: SomeSettings = {},
    parts: Partial<RemoteWriteParts> = {},
  ): Promise<RemoteWriter> {
    const writer = await RemoteWriter.open(
      {
        clock: systemClock,
        sleep,
        random: () => 0.5,
        log: createLogger({ level: "warn", format: "json" }, systemClock.nowUnixMs, (line) =>
          this.logs.push(JSON.parse(line)),
        ),
        metrics: this.#metrics(),
        ...parts,
      },
      someSettings(url, settings),
    );
    this.#closers.push(() => writer.close());
    return writer;
  }

  /** Samples of `kind` so far. */
  count(kind: keyof RemoteWriteMetrics): number {
    return this.events.reduce((sum, [of, , samples]) => sum + (of === kind ? samples : 0), 0);
  }

  async closeAll(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close();
    this.events.length = 0;
    this.logs.length = 0;
  }

  #metrics(): RemoteWriteMetrics {
    const note =
      (kind: keyof RemoteWriteMetrics): RemoteWriteMetrics["sent"] =>
      (tenant, { sampleCount }) => {
        this.events.push([kind, tenant, sampleCount]);
      };
    return {
      queued: note("queued"),
      sent: note("sent"),
      failed: note("failed"),
      dropped: note("dropped"),
      retried: note("retried"),
    };
  }
}
