import { compress } from "snappyjs";
import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { sleep } from "../../util/sleep.ts";
import { type EndpointAnswer, EndpointClient } from "./endpoint-client.ts";
import type { RemoteWriteSettings } from "./settings.ts";

/** Samples of one tenant in one request. */
export type WriteBatch = {
  readonly tenant: string;
  /** Beside the endpoint's, and instead of them where both have a name. */
  readonly headers: Readonly<Record<string, string>>;
  /** A `prometheus.WriteRequest`, not compressed. */
  readonly body: Uint8Array;
  readonly sampleCount: number;
  readonly exemplarCount: number;
};

/** What became of samples and exemplars. */
export type WriteOutcome = "sent" | "failed" | "dropped" | "retried";

export type RemoteWriterParts = {
  readonly clock: Clock;
  readonly log: Logger;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onOutcome: (outcome: WriteOutcome, batch: WriteBatch) => void;
};

/** Bodies that wait: an endpoint that is down for long must not take all memory. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const MAX_WISHED_WAIT_MS = 5 * 60_000;
const WARN_INTERVAL_MS = 60_000;
const MAX_SHOWN_CHARS = 256;

/** Sends batches to one endpoint: those of a tenant in their order, each until it is taken or refused. */
export class RemoteWriter {
  readonly #parts: RemoteWriterParts;
  readonly #settings: RemoteWriteSettings;
  readonly #client: EndpointClient;
  readonly #closed = new AbortController();
  /** Oldest first. */
  readonly #waiting = new Set<WriteBatch>();
  readonly #underWay = new Set<WriteBatch>();
  /** Of those a batch is under way. */
  readonly #busy = new Set<string>();
  #waitingBytes = 0;
  #waitingSamples = 0;
  #warnedMs = Number.NEGATIVE_INFINITY;
  readonly #onIdle: (() => void)[] = [];

  constructor(parts: RemoteWriterParts, settings: RemoteWriteSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#client = new EndpointClient(settings);
  }

  get settings(): RemoteWriteSettings {
    return this.#settings;
  }

  /** Samples that are not sent yet, by tenant. */
  pendingSamples(): ReadonlyMap<string, number> {
    const pending = new Map<string, number>();
    for (const { tenant, sampleCount } of [...this.#underWay, ...this.#waiting]) {
      pending.set(tenant, (pending.get(tenant) ?? 0) + sampleCount);
    }
    return pending;
  }

  /** Never waits. When too much waits already, the oldest is given up. */
  push(batch: WriteBatch): void {
    this.#waiting.add(batch);
    this.#waitingBytes += batch.body.length;
    this.#waitingSamples += batch.sampleCount;
    for (const oldest of this.#waiting) {
      const isFull =
        this.#waitingBytes > MAX_WAITING_BYTES ||
        this.#waitingSamples > this.#settings.queue.maxSamples;
      if (!isFull || this.#waiting.size === 1) break;
      this.#take(oldest);
      this.#parts.onOutcome("dropped", oldest);
    }
    this.#pump();
  }

  /** Resolves when nothing waits any more, or when the time is over: what is left then is dropped. */
  async flush(deadlineMs: number): Promise<void> {
    if (this.#waiting.size + this.#underWay.size > 0) {
      const over = new AbortController();
      const idle = new Promise<void>((resolve) => this.#onIdle.push(resolve));
      await Promise.race([idle, sleep(deadlineMs, over.signal)]);
      over.abort();
    }
    this.close();
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    for (const batch of [...this.#underWay, ...this.#waiting]) {
      this.#parts.onOutcome("dropped", batch);
    }
    this.#waiting.clear();
    this.#client.close();
  }

  #pump(): void {
    if (this.#closed.signal.aborted) return;
    for (const batch of this.#waiting) {
      if (this.#underWay.size >= this.#settings.queue.maxShards) return;
      if (this.#busy.has(batch.tenant)) continue;
      this.#take(batch);
      this.#underWay.add(batch);
      this.#busy.add(batch.tenant);
      void this.#deliver(batch).finally(() => {
        this.#underWay.delete(batch);
        this.#busy.delete(batch.tenant);
        this.#pump();
        if (this.#underWay.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
      });
    }
  }

  #take(batch: WriteBatch): void {
    this.#waiting.delete(batch);
    this.#waitingBytes -= batch.body.length;
    this.#waitingSamples -= batch.sampleCount;
  }

  /** Never rejects. */
  async #deliver(batch: WriteBatch): Promise<void> {
    const body = compress(batch.body);
    const { signal } = this.#closed;
    for (let attempt = 0; !signal.aborted; attempt++) {
      let answer: EndpointAnswer | undefined;
      let problem: unknown;
      try {
        answer = await this.#client.send(body, batch.headers, attempt, signal);
      } catch (error) {
        problem = error;
      }
      // It was counted as dropped.
      if (signal.aborted) return;
      const status = answer?.status ?? 0;
      if (status >= 200 && status < 300) {
        this.#parts.onOutcome("sent", batch);
        return;
      }
      this.#warn(answer, problem);
      if (answer !== undefined && !this.#mayBeRetried(status)) {
        this.#parts.onOutcome("failed", batch);
        return;
      }
      this.#parts.onOutcome("retried", batch);
      await sleep(this.#waitMs(attempt, answer?.retryAfter), signal);
    }
  }

  #mayBeRetried(status: number): boolean {
    return status >= 500 || (status === 429 && this.#settings.queue.retryOnRateLimit);
  }

  #waitMs(attempt: number, retryAfter: string | undefined): number {
    const { minBackoffMs, maxBackoffMs } = this.#settings.queue;
    const wished = retryAfterMs(retryAfter, this.#parts.clock.nowUnixMs());
    if (wished !== undefined) return Math.min(wished, MAX_WISHED_WAIT_MS);
    const backoff = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(attempt, 30));
    // A part of it by chance, so that many senders do not come back together.
    return backoff * (0.5 + this.#parts.random() / 2);
  }

  #warn(answer: EndpointAnswer | undefined, error: unknown): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#warnedMs < WARN_INTERVAL_MS) return;
    this.#warnedMs = nowMs;
    this.#parts.log.warn("remote write endpoint did not take samples", {
      endpoint: shownUrl(this.#settings.url),
      ...(answer === undefined
        ? { error }
        : { status: answer.status, answer: answer.text.slice(0, MAX_SHOWN_CHARS) }),
    });
  }
}

/** The wait that an answer asks for, in seconds or until a date. */
export function retryAfterMs(header: string | undefined, nowUnixMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(header)) return Number(header) * 1000;
  const unixMs = Date.parse(header);
  return Number.isNaN(unixMs) ? undefined : Math.max(0, unixMs - nowUnixMs);
}

/** Without a user and a password. */
export function shownUrl(text: string): string {
  const url = new URL(text);
  url.username = "";
  url.password = "";
  return url.href;
}
