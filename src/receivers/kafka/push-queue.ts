import { isPintailError } from "../../errors.ts";
import { BodyEncoding, type BodyFormat, type Ingest, RefusedError } from "../../ingest/ingest.ts";
import { writeTenant } from "../../server/tenant.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { rateLimited } from "../../telemetry/logger.ts";
import type { PushOutcome } from "../shared/push-outcome.ts";
import type { PartitionProgress, PendingRecord } from "./partition-progress.ts";

export type QueuedRecord = {
  readonly value: Uint8Array;
  readonly tenants: readonly string[];
  readonly partition: PartitionProgress;
  readonly pending: PendingRecord;
};

export type PushQueueParts = {
  readonly ingest: Ingest;
  readonly format: BodyFormat;
  readonly multitenancyEnabled: boolean;
  readonly outcome: PushOutcome;
  /** A push has to be repeated. */
  readonly onRetry: () => void;
  /** Records of this partition were stored or given up. */
  readonly onProgress: () => void;
  readonly log: Logger;
  readonly monotonicMs: () => number;
};

/** Values read and not stored yet, over all partitions; reading stops beyond. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Enough for the writes of the log, which take many records each. */
const MAX_RUNNING = 1024;
const MAX_WAITING = 4 * MAX_RUNNING;
const RETRY_MS = { first: 250, max: 15_000 };
const WARNING_INTERVAL_MS = 10_000;

/**
 * Records on their way into Pintail, roughly in the order of their coming. Many are pushed at once; while
 * Pintail takes none (a full disk, a tenant beyond its rate) one is tried again and again, and the
 * rest waits. A record that cannot be decoded is counted, logged and left out.
 */
export class PushQueue {
  readonly #parts: PushQueueParts;
  readonly #warn: Logger["warn"];
  readonly #waiting: QueuedRecord[] = [];
  readonly #roomWanted: (() => void)[] = [];
  #bytes = 0;
  #running = 0;
  #width = MAX_RUNNING;
  #retryMs = RETRY_MS.first;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #onIdle: (() => void) | undefined;
  #idle: Promise<void> | undefined;

  constructor(parts: PushQueueParts) {
    this.#parts = parts;
    this.#warn = rateLimited(parts.log.warn, WARNING_INTERVAL_MS, parts.monotonicMs);
  }

  /** Takes the record. Resolves when there is room for another one. */
  async add(record: QueuedRecord): Promise<void> {
    this.#bytes += record.value.length;
    this.#waiting.push(record);
    this.#advance();
    while (this.#isFull() && !this.#closed) {
      await new Promise<void>((resolve) => this.#roomWanted.push(resolve));
    }
  }

  /** Drops what waits, and resolves when what is being pushed is stored or refused. */
  close(): Promise<void> {
    if (this.#idle !== undefined) return this.#idle;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    this.#giveRoom();
    this.#idle =
      this.#running === 0
        ? Promise.resolve()
        : new Promise<void>((resolve) => {
            this.#onIdle = resolve;
          });
    return this.#idle;
  }

  #isFull(): boolean {
    return this.#bytes >= MAX_WAITING_BYTES || this.#waiting.length >= MAX_WAITING;
  }

  #advance(): void {
    while (this.#running < this.#width && this.#timer === undefined && !this.#closed) {
      const record = this.#waiting.shift();
      if (record === undefined) return;
      if (record.partition.lost) {
        this.#leave(record);
        continue;
      }
      this.#running++;
      void this.#push(record).then((stored) => {
        this.#running--;
        if (stored) this.#leave(record);
        else if (!this.#closed) this.#waiting.unshift(record);
        this.#advance();
        if (this.#running === 0) this.#onIdle?.();
      });
    }
  }

  /** Whether that was all for the record; false when it must be tried again. */
  async #push(record: QueuedRecord): Promise<boolean> {
    const { ingest, format, multitenancyEnabled, outcome } = this.#parts;
    try {
      const { spanCount } = await ingest.push({
        tenant: writeTenant(record.tenants, multitenancyEnabled),
        format,
        encoding: BodyEncoding.identity,
        // A view, which is copied on its way: the value stays for a second try.
        body: record.value,
        maxDecodedBytes: record.value.length,
      });
      outcome.accepted(spanCount);
      this.#retryMs = RETRY_MS.first;
      this.#width = Math.min(MAX_RUNNING, 2 * this.#width);
    } catch (error) {
      if (!isFinal(error)) {
        this.#pause(error);
        return false;
      }
      outcome.refused(error);
    }
    record.partition.finish(record.pending);
    this.#parts.onProgress();
    return true;
  }

  #pause(error: unknown): void {
    this.#parts.onRetry();
    this.#width = 1;
    if (this.#timer !== undefined || this.#closed) return;
    this.#warn("records of Kafka wait to be stored", { error });
    const hintMs = isPintailError(error) ? (error.retryAfterMs ?? 0) : 0;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#advance();
      },
      Math.min(RETRY_MS.max, Math.max(this.#retryMs, hintMs)),
    );
    this.#retryMs = Math.min(RETRY_MS.max, 2 * this.#retryMs);
  }

  #leave(record: QueuedRecord): void {
    this.#bytes -= record.value.length;
    this.#giveRoom();
  }

  #giveRoom(): void {
    if (this.#isFull() && !this.#closed) return;
    for (const resolve of this.#roomWanted.splice(0)) resolve();
  }
}

/** Whether another try with the same record would end the same way. */
function isFinal(error: unknown): boolean {
  if (error instanceof RefusedError && error.neverFits) return true;
  if (!isPintailError(error)) return false;
  switch (error.kind) {
    case "limited":
    case "unavailable":
    case "canceled":
    case "timeout":
      return false;
    default:
      return true;
  }
}
