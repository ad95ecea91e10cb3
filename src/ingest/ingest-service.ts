import { PintailError } from "../errors.ts";
import type { Wal, WalAppend } from "../storage/wal/wal.ts";
import type { Cutter } from "./cutter.ts";
import { type Ingest, type PushRequest, type PushResult, RefusedError } from "./ingest.ts";
import type { IngestChannel } from "./ingest-channel.ts";
import type { IngestMetrics } from "./ingest-metrics.ts";
import type { IngestLimits } from "./settings.ts";

export type IngestServiceParts = {
  readonly wal: Wal;
  readonly channel: IngestChannel;
  readonly cutter: Cutter;
  readonly limitsFor: (tenant: string) => IngestLimits;
  readonly metrics: IngestMetrics;
  /** Number of the settings by which metrics are made of a tenant's spans; 0 = none are. */
  readonly metricsOf?: ((tenant: string) => number) | undefined;
  /** Why nothing can be taken now, `unavailable` with a hint, for reasons behind the write path. */
  readonly refusal?: (() => PintailError | undefined) | undefined;
  /** Wall time, for the WAL. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
};

export type IngestServiceSettings = {
  /** Retry hint of `limited`; 0 = none. */
  readonly retryAfterMs: number;
  /** Bodies accepted and not yet answered may add up to this; beyond it `unavailable`. */
  readonly maxPendingBytes: number;
  /** Decoded spans that wait for their segment may take this; beyond it `unavailable`. */
  readonly maxHeldBytes: number;
};

/** How soon a sender may try again when the queue is full or Pintail is stopping. */
const BUSY_RETRY_MS = 1000;

/**
 * The write path: WAL, then the worker, then the answer. The worker gets only durable records and
 * in the order of the WAL, so that a cut after any of them is exactly a WAL range, and a record
 * whose write failed was never seen by anyone.
 */
export class IngestService implements Ingest {
  readonly #parts: IngestServiceParts;
  readonly #settings: IngestServiceSettings;
  #pendingBytes = 0;
  #pending = 0;
  #closing = false;
  #onIdle: (() => void) | undefined;
  /** Settles when the record before has been handed to the worker or has failed. */
  #handedOver: Promise<void> = Promise.resolve();

  constructor(parts: IngestServiceParts, settings: IngestServiceSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  async push(request: PushRequest): Promise<PushResult> {
    const bytes = request.body.length;
    if (this.#closing) throw busy("pintail is stopping");
    const refusal = this.#parts.refusal?.();
    if (refusal !== undefined) throw refusal;
    if (this.#pendingBytes + bytes > this.#settings.maxPendingBytes && this.#pending > 0) {
      throw busy(`ingest queue is full (${this.#settings.maxPendingBytes} bytes)`);
    }
    if (this.#parts.channel.heldBytes > this.#settings.maxHeldBytes) {
      throw busy(
        `spans are not stored as fast as they come (${this.#settings.maxHeldBytes} bytes)`,
      );
    }
    const startedMs = this.#parts.monotonicMs();
    this.#pendingBytes += bytes;
    this.#pending++;
    try {
      return await this.#push(request);
    } finally {
      this.#pendingBytes -= bytes;
      this.#pending--;
      this.#parts.metrics.pushed((this.#parts.monotonicMs() - startedMs) / 1000);
      if (this.#pending === 0) this.#onIdle?.();
    }
  }

  /** Refuses new pushes and resolves when those under way are answered. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#pending > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
  }

  async #push(request: PushRequest): Promise<PushResult> {
    const { tenant } = request;
    const limits = this.#parts.limitsFor(tenant);
    const receivedUnixMs = this.#parts.nowMs();
    const appended = this.#parts.wal.append({ ...request, receivedUnixMs });
    const turn = this.#handedOver;
    const reply = appended.durable.then(
      () => turn.then(() => this.#handOver(request, receivedUnixMs, appended, limits)),
      (e) =>
        turn.then(() => {
          throw e;
        }),
    );
    this.#handedOver = reply.then(
      () => {},
      () => {},
    );
    const handed = await reply;
    try {
      const { spanCount, protobufBytes, truncated } = await handed.decoded;
      this.#parts.metrics.accepted(tenant, spanCount, protobufBytes, truncated);
      return { spanCount, decodedBytes: protobufBytes };
    } catch (e) {
      if (e instanceof RefusedError) {
        this.#parts.metrics.refused(tenant, e.reason, e.spanCount, e.protobufBytes);
        // Replay and the L1 builder must leave it out as well, whatever the limits are then; whoever
        // is told of the refusal can rely on it. When the disk fails now, only that is lost.
        await this.#void(appended).catch(() => {});
      }
      throw e;
    }
  }

  /** In its turn like a record, so that the log can be released to its end also when no other comes. */
  #void({ lsn }: WalAppend): Promise<void> {
    const { durable, endLsn } = this.#parts.wal.appendVoid([lsn]);
    const turn = this.#handedOver;
    this.#handedOver = turn
      .then(() => durable)
      .then(
        () => this.#parts.cutter.handed(endLsn),
        () => {},
      );
    return durable;
  }

  #handOver(
    request: PushRequest,
    receivedUnixMs: number,
    appended: WalAppend,
    limits: IngestLimits,
  ) {
    const body = ownBuffer(request.body);
    const decoded = this.#parts.channel.record(
      {
        tenant: request.tenant,
        format: request.format,
        encoding: request.encoding,
        maxDecodedBytes: request.maxDecodedBytes,
        maxAttributeBytes: limits.maxAttributeBytes,
        rate: { bytesPerSecond: limits.rateLimitBytes, burstBytes: limits.burstSizeBytes },
        receivedUnixMs,
        derive: {
          metrics: this.#parts.metricsOf?.(request.tenant) ?? 0,
          skipMetrics: request.skipMetrics ?? false,
        },
        body,
      },
      limits.retryInfoEnabled && this.#settings.retryAfterMs > 0
        ? this.#settings.retryAfterMs
        : undefined,
    );
    decoded.catch(() => {});
    this.#parts.cutter.handed(appended.endLsn);
    return { decoded };
  }
}

function busy(message: string): PintailError {
  return new PintailError("unavailable", message, { retryAfterMs: BUSY_RETRY_MS });
}

/**
 * A buffer with just these bytes, to be moved to the thread: the body's own when it has one to itself
 * (the WAL is done with it), else a copy. A Node `Buffer` is often a part of a pool.
 */
function ownBuffer(body: Uint8Array): ArrayBuffer {
  const { buffer } = body;
  const whole = body.byteLength === buffer.byteLength && buffer instanceof ArrayBuffer;
  return whole ? buffer : new Uint8Array(body).buffer;
}
