import { PintailError } from "../../errors.ts";

/** Waiting calls hold little, but they must not pile up without end. */
const MAX_WAITING = 10_000;
const RETRY_AFTER_MS = 1000;

type Waiting = { readonly start: () => void };

/** At most `limit` tasks at a time, others first come, first served. */
export class RequestLimiter {
  readonly #limit: number;
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Rejects with `limited` when too many wait, with `canceled` when `signal` ends the wait. */
  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await this.#enter(signal);
    try {
      return await task();
    } finally {
      this.#running--;
      const [next] = this.#waiting;
      if (next !== undefined) next.start();
    }
  }

  #enter(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(canceled());
    if (this.#running < this.#limit) {
      this.#running++;
      return Promise.resolve();
    }
    if (this.#waiting.size >= MAX_WAITING) {
      return Promise.reject(
        new PintailError("limited", `${MAX_WAITING} object store requests wait already`, {
          retryAfterMs: RETRY_AFTER_MS,
        }),
      );
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiting);
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        leave();
        reject(canceled());
      };
      const waiting: Waiting = {
        start: () => {
          leave();
          this.#running++;
          resolve();
        },
      };
      this.#waiting.add(waiting);
      signal.addEventListener("abort", onAbort);
    });
  }
}

function canceled(): PintailError {
  return new PintailError("canceled", "canceled while waiting for the object store");
}
