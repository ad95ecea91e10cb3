import { isPintailError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";

export type HealthParts = {
  /** Where the bucket is, for messages. */
  readonly location: string;
  readonly log: Logger;
  readonly monotonicMs: () => number;
  /** In [0, 1): jitter. */
  readonly random: () => number;
};

/** The store itself tried for a minute; then one call at a time asks whether it is back. */
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;

/** Whether the bucket can be reached, as the last call saw it. Says so once when that changes. */
export class BucketHealth {
  readonly #parts: HealthParts;
  #reachable: boolean | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  /** Undefined until something was asked of it. */
  get reachable(): boolean | undefined {
    return this.#reachable;
  }

  /** A call failed a moment ago: the next one may wait. */
  get paused(): boolean {
    return this.#parts.monotonicMs() < this.#pausedUntilMs;
  }

  worked(): void {
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#pausedUntilMs = Number.NEGATIVE_INFINITY;
    if (this.#reachable === false) {
      this.#parts.log.info("the bucket is back", { bucket: this.#parts.location });
    }
    this.#reachable = true;
  }

  /** Errors that do not tell of the bucket as a whole are passed over. */
  failed(error: unknown): void {
    if (!isPintailError(error, "unavailable")) return;
    const wait = Math.max(this.#pauseMs, Math.min(error.retryAfterMs ?? 0, MAX_PAUSE_MS));
    this.#pausedUntilMs = this.#parts.monotonicMs() + (wait * (1 + this.#parts.random())) / 2;
    this.#pauseMs = Math.min(2 * this.#pauseMs, MAX_PAUSE_MS);
    if (this.#reachable === false) return;
    this.#reachable = false;
    this.#parts.log.error("the bucket is away: segments wait on the local disk", {
      bucket: this.#parts.location,
      error,
    });
  }

  /** Runs one call of the store and remembers how it went. */
  async watch<T>(call: () => Promise<T>): Promise<T> {
    try {
      const result = await call();
      this.worked();
      return result;
    } catch (e) {
      this.failed(e);
      throw e;
    }
  }
}
