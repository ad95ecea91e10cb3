import type { Clock } from "../../runtime/clock.ts";
import { type Logger, rateLimited } from "../../telemetry/logger.ts";
import { BatchQueue, type HeldBatch, type WriteBatch } from "./batch-queue.ts";
import { Endpoint, type Outcome } from "./endpoint.ts";
import { endpointLabels } from "./endpoint-labels.ts";
import type { RemoteWriteMetrics } from "./metrics.ts";
import { retryWaitMs } from "./retry-wait.ts";
import type { RemoteWriteQueue, RemoteWriteSettings } from "./settings.ts";

export type RemoteWriteParts = {
  readonly clock: Clock;
  /** Resolves after `ms`, or as soon as `signal` is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: RemoteWriteMetrics;
};

/** Of bodies that wait or are under way. */
const MAX_QUEUE_BYTES = 64 * 1024 * 1024;
const WARNING_INTERVAL_MS = 60_000;
const MAX_FLUSH_MS = 2 ** 31 - 1;

/**
 * What is known of a tenant while batches of it are there: it waits for its turn, has a request under
 * way, or rests after one that failed. There is never a second request, since samples of a series
 * must arrive in their order.
 */
type Lane = { readonly tenant: string; failures: number };

/**
 * Sends batches to one endpoint: each until it is taken, refused, or the oldest of too many.
 */
export class RemoteWriter {
  readonly #parts: RemoteWriteParts;
  readonly #settings: RemoteWriteQueue;
  readonly #endpoint: Endpoint;
  readonly #queue: BatchQueue;
  readonly #lanes = new Map<string, Lane>();
  /** Lanes that wait for their turn, first come, first served. */
  readonly #ready = new Set<Lane>();
  readonly #warn: Readonly<Record<"refused" | "retry" | "full" | "late", Logger["warn"]>>;
  #requests = 0;
  #stop = new AbortController();
  #closed = false;
  #onEmpty: (() => void)[] = [];

  constructor(parts: RemoteWriteParts, endpoint: Endpoint, settings: RemoteWriteSettings) {
    this.#parts = parts;
    this.#endpoint = endpoint;
    this.#settings = settings.queue;
    this.#queue = new BatchQueue({
      maxSamples: settings.queue.maxSamples,
      maxBytes: MAX_QUEUE_BYTES,
    });
    const { remoteName, url } = endpointLabels(settings);
    const log = parts.log.with({ remote: remoteName, url });
    const limited = () => rateLimited(log.warn, WARNING_INTERVAL_MS, parts.clock.monotonicMs);
    this.#warn = { refused: limited(), retry: limited(), full: limited(), late: limited() };
  }

  /** Throws `invalid` for settings that cannot work: the URL, the TLS files. Sends nothing yet. */
  static async open(parts: RemoteWriteParts, settings: RemoteWriteSettings): Promise<RemoteWriter> {
    return new RemoteWriter(parts, await Endpoint.open(parts.clock, settings), settings);
  }

  /** Queues `batch`; what has no room is dropped and counted, the oldest first. */
  push(batch: WriteBatch): void {
    const { metrics } = this.#parts;
    metrics.queued(batch.tenant, batch);
    if (this.#closed) {
      metrics.dropped(batch.tenant, batch);
      return;
    }
    const dropped = this.#queue.push(batch);
    this.#countDropped(dropped, "remote write has no room, the oldest samples are lost", "full");
    this.#tellIfEmpty();
    if (!this.#lanes.has(batch.tenant)) {
      const lane: Lane = { tenant: batch.tenant, failures: 0 };
      this.#lanes.set(batch.tenant, lane);
      this.#ready.add(lane);
    }
    this.#startRequests();
  }

  /** Resolves when nothing is left, at the latest after `deadlineMs`; the rest is dropped then. */
  async flush(deadlineMs: number): Promise<void> {
    if (this.#queue.isEmpty) return;
    const over = new AbortController();
    const empty = new Promise<void>((resolve) => this.#onEmpty.push(resolve));
    await Promise.race([empty, this.#parts.sleep(Math.min(deadlineMs, MAX_FLUSH_MS), over.signal)]);
    over.abort();
    this.#dropAll();
  }

  /** Gives up what is under way and drops what waits. */
  close(): void {
    this.#closed = true;
    this.#dropAll();
    this.#endpoint.close();
  }

  #startRequests(): void {
    for (const lane of this.#ready) {
      if (this.#requests >= this.#settings.maxShards) return;
      this.#ready.delete(lane);
      const held = this.#queue.first(lane.tenant);
      // What waited here may have been dropped meanwhile.
      if (held === undefined) this.#lanes.delete(lane.tenant);
      else void this.#request(lane, held, this.#stop.signal);
    }
  }

  async #request(lane: Lane, held: HeldBatch, signal: AbortSignal): Promise<void> {
    this.#requests++;
    held.underWay = true;
    const outcome = await this.#endpoint.send(held, signal);
    held.underWay = false;
    held.attempts++;
    this.#requests--;
    const wait = signal.aborted ? 0 : this.#settle(lane, held, outcome);
    // Others go on while this lane rests.
    this.#startRequests();
    if (wait > 0) await this.#parts.sleep(wait, signal);
    this.#ready.add(lane);
    this.#startRequests();
  }

  /** How long the lane has to rest. */
  #settle(lane: Lane, held: HeldBatch, outcome: Outcome): number {
    const { batch } = held;
    const { tenant } = batch;
    const { metrics, random } = this.#parts;
    if (outcome.type === "retry") {
      const { reason, status, wishedWaitMs } = outcome;
      metrics.retried(tenant, batch);
      this.#warn.retry("remote write failed, will be tried again", { tenant, status, reason });
      return retryWaitMs(this.#settings, ++lane.failures, wishedWaitMs, random);
    }
    lane.failures = 0;
    this.#queue.remove(held);
    if (outcome.type === "sent") {
      metrics.sent(tenant, batch);
    } else {
      const { reason, status } = outcome;
      const { sampleCount } = batch;
      metrics.failed(tenant, batch);
      this.#warn.refused("remote write was refused", { tenant, status, reason, sampleCount });
    }
    this.#tellIfEmpty();
    return 0;
  }

  #dropAll(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#countDropped(this.#queue.clear(), "remote write ended before all was sent", "late");
    this.#tellIfEmpty();
  }

  #countDropped(dropped: readonly WriteBatch[], message: string, warning: "full" | "late"): void {
    if (dropped.length === 0) return;
    let sampleCount = 0;
    for (const batch of dropped) {
      sampleCount += batch.sampleCount;
      this.#parts.metrics.dropped(batch.tenant, batch);
    }
    this.#warn[warning](message, { batches: dropped.length, sampleCount });
  }

  #tellIfEmpty(): void {
    if (!this.#queue.isEmpty) return;
    for (const tell of this.#onEmpty) tell();
    this.#onEmpty = [];
  }
}
