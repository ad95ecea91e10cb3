import { RemoteWriter } from "../drivers/remote-write/remote-writer.ts";
import type { RemoteWriteSettings } from "../drivers/remote-write/settings.ts";
import type { TenantSamples } from "../metrics-generator/generator-client.ts";
import type { GeneratorSettings, TenantGeneratorSettings } from "../metrics-generator/settings.ts";
import type { Clock } from "../runtime/clock.ts";
import { hostName } from "../runtime/host-name.ts";
import { SINGLE_TENANT } from "../server/tenant.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";
import { sleep } from "../util/sleep.ts";
import { generatorMetrics } from "./generator-metrics.ts";
import type { GeneratorParts } from "./ingest-thread.ts";
import { remoteWriteMetrics } from "./remote-write-metrics.ts";

const ORG_ID_HEADER = "X-Scope-OrgID";
/** Whatever the endpoints would take: a request is encoded at once. */
const MAX_SAMPLES_PER_SEND = 10_000;
/** An endpoint that is down must not hold up the end of the process. */
const MAX_FLUSH_MS = 5000;

type Written = { readonly endpoint: RemoteWriteSettings; readonly writer: RemoteWriter };

export type OpenGenerator = {
  readonly settings: GeneratorSettings;
  readonly settingsOf: (tenant: string) => TenantGeneratorSettings | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: MetricRegistry;
};

/** Sends the metrics that the ingest thread derives to where the settings say. */
export class Generator {
  /** For whoever starts that thread. */
  readonly parts: GeneratorParts;
  readonly #writers: readonly Written[];
  readonly #settings: GeneratorSettings;

  /** Throws `invalid` for an endpoint that cannot work: its URL, its TLS files. Sends nothing yet. */
  static async open(open: OpenGenerator): Promise<Generator> {
    const { settings, clock, random, log, metrics } = open;
    const writers: Written[] = [];
    for (const endpoint of settings.remoteWrite) {
      const parts = { clock, sleep, random, log, metrics: remoteWriteMetrics(metrics, endpoint) };
      writers.push({ endpoint, writer: await RemoteWriter.open(parts, endpoint) });
    }
    return new Generator(open, writers);
  }

  private constructor(
    { settings, settingsOf, log, metrics }: OpenGenerator,
    writers: readonly Written[],
  ) {
    const { staleMs, externalLabels, tenantLabel, maxLabelNameBytes, maxLabelValueBytes } =
      settings;
    this.#settings = settings;
    this.#writers = writers;
    this.parts = {
      shared: {
        ...{ staleMs, externalLabels, tenantLabel, maxLabelNameBytes, maxLabelValueBytes },
        instance: hostName(),
        // All endpoints are sent the same requests.
        maxSamplesPerSend: Math.min(
          MAX_SAMPLES_PER_SEND,
          ...settings.remoteWrite.map(({ queue }) => queue.maxSamplesPerSend),
        ),
      },
      settingsOf,
      onSamples: (samples) => this.#push(samples, settingsOf(samples.tenant)),
      onFigures: generatorMetrics(metrics),
      onFailure: (message) => log.error("metrics generator failed", { error: message }),
    };
  }

  /** Sends what waits, for as long as the settings allow. The thread must have given all. */
  async close(): Promise<void> {
    const { flushDeadlineMs } = this.#settings;
    const deadlineMs = Math.min(flushDeadlineMs, MAX_FLUSH_MS);
    await Promise.all(this.#writers.map(({ writer }) => writer.flush(deadlineMs)));
    for (const { writer } of this.#writers) writer.close();
  }

  #push(samples: TenantSamples, tenant: TenantGeneratorSettings | undefined): void {
    const own = tenant?.remoteWriteHeaders ?? {};
    for (const { writer, endpoint } of this.#writers) {
      writer.push({ ...samples, headers: this.#headersOf(samples.tenant, own, endpoint) });
    }
  }

  #headersOf(
    tenant: string,
    own: Readonly<Record<string, string>>,
    endpoint: RemoteWriteSettings,
  ): Readonly<Record<string, string>> {
    if (!this.#settings.addOrgIdHeader || tenant === SINGLE_TENANT) return own;
    const isNamed = [...Object.keys(own), ...Object.keys(endpoint.headers)].some(
      (name) => name.toLowerCase() === ORG_ID_HEADER.toLowerCase(),
    );
    return isNamed ? own : { ...own, [ORG_ID_HEADER]: tenant };
  }
}
